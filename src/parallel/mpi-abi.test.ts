import { describe, expect, it } from 'vitest';
import { abiOf, mpich, standard } from './mpi-abi.ts';

const address = (symbol: string): bigint => BigInt(symbol.length);

describe('the binary interface of an MPI', () => {
  it.each([
    ['MPICH Version: 4.0.2', undefined, mpich],
    ['MPICH Version: 5.0.2', 0, mpich],
    ['Intel(R) MPI Library 2021.11', undefined, mpich],
    ['MPICH Version: 5.0.2', 1, standard],
    ['Open MPI v6.0.0', 1, standard],
  ])('%s, standard ABI %s', (version, abiVersion, expected) => {
    expect(abiOf({ version, abiVersion, address })).toBe(expected);
  });

  it('of Open MPI are addresses of its symbols', () => {
    const abi = abiOf({ version: 'Open MPI v4.1.4', abiVersion: undefined, address });
    expect(abi.float).toBe(address('ompi_mpi_float'));
    expect(abi.handle).toBe('void *');
  });

  it('of the standard has the values of its header', () => {
    // As MPI 5.0 publishes them (A.1.3): operations from 0x20, communicators from 0x100, error handlers from 0x140, types from 0x200,
    // whose bits 3 to 5 hold the logarithm of the size.
    expect(standard).toMatchObject({
      world: 0x101n,
      sum: 0x21n,
      errorsReturn: 0x143n,
      float: 0x210n,
      byte: 0x247n,
      threads: { serialized: 2048, multiple: 4096 },
    });
    const sizeOf = (type: number | bigint): number => 2 ** Number((BigInt(type) >> 3n) & 7n);
    expect([sizeOf(standard.float), sizeOf(standard.byte)]).toEqual([4, 1]);
  });
});
