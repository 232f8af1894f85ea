import { expect, it } from 'vitest';
import type { Graph, Model } from './model.ts';
import { printModel } from './print.ts';
import { float32, int64, type Tensor, tensor } from './tensor.ts';

const branch: Graph = {
  name: 'then',
  nodes: [{ op: 'Mul', domain: '', name: '', inputs: ['y', 'two'], outputs: ['o'], attrs: {} }],
  inputs: [],
  outputs: [{ name: 'o' }],
  initializers: new Map([['two', float32([], [2])]]),
  values: new Map(),
};
const onDisk: Tensor = {
  dtype: 'float32',
  dims: [2],
  get bytes(): Uint8Array {
    throw new Error('touched');
  },
};
const model: Model = {
  ir: 8,
  opsets: { '': 17, 'com.microsoft': 1 },
  producer: { name: 'pare', version: '1' },
  metadata: {},
  graph: {
    name: 'net',
    inputs: [
      { name: 'x', type: { kind: 'tensor', dtype: 'float32', dims: ['N', null, 3] } },
      { name: 'c', type: { kind: 'tensor', dtype: 'bool' } },
      { name: 's', type: { kind: 'opaque', bytes: new Uint8Array(0) } },
    ],
    outputs: [{ name: 'z', type: { kind: 'tensor', dtype: 'float32', dims: [] } }],
    initializers: new Map<string, Tensor>([
      ['w', float32([8, 3], new Float32Array(24))],
      ['far', onDisk],
      ['b', float32([2], [0.1, -1])],
      ['end', { dtype: 'int64', dims: [1], bytes: new Uint8Array(BigInt64Array.of(2n ** 63n - 1n).buffer) }],
      ['names', tensor('string', [2], ['a', '"'])],
      ['f8', { dtype: 'float8e5m2', dims: [1], bytes: Uint8Array.of(0x3c) }],
    ]),
    values: new Map([['y', { name: 'y', type: { kind: 'tensor', dtype: 'float32', dims: ['2*N', 3] } }]]),
    nodes: [
      {
        op: 'Op',
        domain: 'com.microsoft',
        name: 'n',
        inputs: ['x', '', 'w'],
        outputs: ['y', ''],
        attrs: {
          alpha: { kind: 'float', value: Math.fround(0.1) },
          mode: { kind: 'string', value: 'same "upper"' },
          pads: { kind: 'ints', value: Array.from({ length: 20 }, (_, i) => i) },
          value: { kind: 'tensor', value: int64([2], [1, -1]) },
          sparse: { kind: 'opaque', value: new Uint8Array(3) },
        },
      },
      {
        op: 'If',
        domain: '',
        name: '',
        inputs: ['c'],
        outputs: ['z'],
        attrs: { then_branch: { kind: 'graph', value: branch } },
      },
    ],
  },
};

it('prints one line a node, weights with their type, sub-graphs below their node', () => {
  expect(printModel(model).split('\n')).toEqual([
    'model "net"  ir 8  ai.onnx 17  com.microsoft 1  by pare 1',
    '  input  %x: float32[N, ?, 3]',
    '  input  %c: bool[…]',
    '  input  %s: (no tensor)',
    '  weight %w: float32[8, 3]',
    '  weight %far: float32[2]',
    '  weight %b: float32[2] = 0.1, -1',
    '  weight %end: int64[1] = 9223372036854775807',
    '  weight %names: string[2] = "a", "\\""',
    '  weight %f8: float8e5m2[1]',
    '  %y: float32[2*N, 3], _ = com.microsoft.Op(%x, _, %w) ' +
      '{alpha: 0.1, mode: "same \\"upper\\"", pads: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, … 20 in all], ' +
      'value: int64[2] = 1, -1, sparse: (not read)}',
    '  %z: float32[] = If(%c)',
    '    then_branch:',
    '      weight %two: float32[] = 2',
    '      %o = Mul(%y, %two)',
    '      output %o',
    '  output %z: float32[]',
  ]);
});
