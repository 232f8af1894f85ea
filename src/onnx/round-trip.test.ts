import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkGraph } from '../graph/check.ts';
import { DTYPES, type DType } from '../graph/dtype.ts';
import type { Attr, Dim, Graph, Model, Node, ValueInfo } from '../graph/model.ts';
import { float32, int64, sizeOf, type Tensor, tensor } from '../graph/tensor.ts';
import { readModel } from './read.ts';
import { writeModel } from './write.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
const record = fc.dictionary(name, text, { maxKeys: 3, noNullPrototype: true });
/** A field that is left out when empty. */
const some = <K extends string, T>(key: K, value: fc.Arbitrary<T>): fc.Arbitrary<{ [P in K]?: T }> =>
  fc.oneof(
    fc.constant({}),
    value.map((it) => ({ [key]: it }) as { [P in K]: T }),
  );

const dtypes = Object.keys(DTYPES) as DType[];
const anyTensor: fc.Arbitrary<Tensor> = fc
  .record({ dtype: fc.constantFrom(...dtypes), dims: fc.array(fc.nat(4), { maxLength: 3 }), seed: fc.nat(255) })
  .map(({ dtype, dims, seed }) => {
    const size = sizeOf(dims);
    if (dtype === 'string')
      return tensor(
        dtype,
        dims,
        Array.from({ length: size }, (_, i) => `é${seed + i}`),
      );
    const bytes = new Uint8Array(Math.ceil((size * DTYPES[dtype].bits) / 8));
    return { dtype, dims, bytes: bytes.map((_, i) => (seed + 37 * i) & 255) };
  });
const dim: fc.Arbitrary<Dim> = fc.oneof(fc.nat(), name, fc.constant(null));
const value: fc.Arbitrary<ValueInfo> = fc
  .tuple(
    name,
    some(
      'type',
      fc
        .tuple(fc.constantFrom(...dtypes), some('dims', fc.array(dim, { maxLength: 4 })))
        .map(([dtype, dims]) => ({ kind: 'tensor' as const, dtype, ...dims })),
    ),
    some('doc', name),
  )
  .map(([it, type, doc]) => ({ name: it, ...type, ...doc }));

const float = fc.float({ noNaN: true });
const integer = fc.maxSafeInteger();
const attr = (graph: fc.Arbitrary<Graph> | undefined): fc.Arbitrary<Attr> =>
  fc.oneof(
    float.map((it) => ({ kind: 'float' as const, value: it })),
    integer.map((it) => ({ kind: 'int' as const, value: it })),
    text.map((it) => ({ kind: 'string' as const, value: it })),
    fc.array(float).map((it) => ({ kind: 'floats' as const, value: it })),
    fc.array(integer).map((it) => ({ kind: 'ints' as const, value: it })),
    fc.array(text).map((it) => ({ kind: 'strings' as const, value: it })),
    anyTensor.map((it) => ({ kind: 'tensor' as const, value: it })),
    ...(graph
      ? [
          graph.map((it) => ({ kind: 'graph' as const, value: it })),
          fc.array(graph, { maxLength: 2 }).map((it) => ({ kind: 'graphs' as const, value: it })),
        ]
      : []),
  );
const node = (depth: number): fc.Arbitrary<Node> =>
  fc
    .tuple(
      fc.record({
        op: name,
        domain: fc.constantFrom('', 'com.microsoft', 'my.own'),
        name: fc.constant(''),
        inputs: fc.array(text, { maxLength: 3 }),
        outputs: fc.array(name, { maxLength: 2 }),
        attrs: fc.dictionary(name, attr(depth > 0 ? graph(depth - 1) : undefined), {
          maxKeys: 3,
          noNullPrototype: true,
        }),
      }),
      some('overload', name),
      some('doc', name),
    )
    .map(([it, overload, doc]) => ({ ...it, ...overload, ...doc }));
const graph = (depth: number): fc.Arbitrary<Graph> =>
  fc.record({
    name: text,
    nodes: fc.array(node(depth), { maxLength: 3 }),
    inputs: fc.array(value, { maxLength: 2 }),
    outputs: fc.array(value, { maxLength: 2 }),
    initializers: fc.array(fc.tuple(name, anyTensor), { maxLength: 3 }).map((pairs) => new Map(pairs)),
    values: fc.array(value, { maxLength: 2 }).map((infos) => new Map(infos.map((info) => [info.name, info]))),
  });
const model: fc.Arbitrary<Model> = fc
  .tuple(
    fc.record({
      ir: fc.integer({ min: 1, max: 13 }),
      opsets: fc.constant({ '': 17, 'com.microsoft': 1 }),
      graph: graph(2),
      producer: fc.record({ name: text, version: text }),
      metadata: record,
    }),
    some('version', fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
    some('doc', name),
    some('domain', name),
  )
  .map(([it, ...rest]) => Object.assign({}, it, ...rest) as Model);

/** The same values as new objects at every level, so that nothing is copied from where it came from. */
const anew = (it: Graph): Graph => ({
  ...it,
  nodes: it.nodes.map((node) => ({
    ...node,
    attrs: Object.fromEntries(Object.entries(node.attrs).map(([key, attr]) => [key, anewAttr(attr)])),
  })),
  inputs: it.inputs.map(anewValue),
  outputs: it.outputs.map(anewValue),
  values: new Map([...it.values].map(([key, info]) => [key, anewValue(info)])),
  initializers: new Map([...it.initializers].map(([key, weight]) => [key, { ...weight }])),
});
const anewValue = (it: ValueInfo): ValueInfo => ({ ...it, ...(it.type && { type: { ...it.type } }) });
const anewAttr = (it: Attr): Attr => {
  if (it.kind === 'graph') return { kind: 'graph', value: anew(it.value) };
  if (it.kind === 'graphs') return { kind: 'graphs', value: it.value.map(anew) };
  return it.kind === 'tensor' ? { kind: 'tensor', value: { ...it.value } } : { ...it };
};

describe('any model', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(model, (it) => {
        expect(readModel(writeModel(it))).toEqual(it);
      }),
      { numRuns: 300 },
    );
  });

  it('comes out byte for byte when it was not changed, and when it was built anew', () => {
    fc.assert(
      fc.property(model, (it) => {
        const bytes = writeModel(it);
        const read = readModel(bytes);
        expect(writeModel(read)).toEqual(bytes);
        expect(writeModel({ ...read, graph: anew(read.graph) })).toEqual(bytes);
      }),
      { numRuns: 200 },
    );
  });
});

const encoder = new TextEncoder();
/** A length-delimited field. */
const field = (number: number, ...parts: readonly (Uint8Array | string | readonly number[])[]): Uint8Array => {
  const body = Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? encoder.encode(part) : Uint8Array.from(part))),
  );
  if (body.length > 127) throw new Error('this test writes one-byte lengths');
  return new Uint8Array([
    ...(number < 16 ? [number * 8 + 2] : [((number * 8 + 2) & 127) | 128, (number * 8 + 2) >> 7]),
    body.length,
    ...body,
  ]);
};
const contains = (bytes: Uint8Array, part: Uint8Array): boolean => Buffer.from(bytes).includes(Buffer.from(part));

describe('what is not understood', () => {
  const strange = field(99, 'from the future');
  const attrBytes = [field(1, 'a'), field(4, [0xff, 0xfe]), [0xa0, 1, 3], field(13, 'attribute doc')] as const;
  const nodeBytes = field(1, field(1, 'x'), field(2, 'y'), field(4, 'Op'), field(5, ...attrBytes), strange);
  const functionBytes = field(1, 'f');
  const bytes = new Uint8Array(
    Buffer.concat([
      Uint8Array.of(8, 8),
      field(7, nodeBytes, field(2, 'g'), field(14, 'quantisation')),
      field(8, [0x10, 17]),
      field(25, functionBytes),
      field(20, 'training'),
    ]),
  );

  it('survives an edit elsewhere', () => {
    const read = readModel(bytes);
    const edited = writeModel({ ...read, graph: { ...read.graph, doc: 'edited' } });
    for (const part of [nodeBytes, field(14, 'quantisation'), field(25, functionBytes), field(20, 'training')]) {
      expect(contains(edited, part)).toBe(true);
    }
  });

  it('survives an edit of the node that holds it: unknown fields, and attributes that are no UTF-8', () => {
    const read = readModel(bytes);
    const nodes = read.graph.nodes.map((it) => ({ ...it, op: 'Other' }));
    const edited = writeModel({ ...read, graph: { ...read.graph, nodes } });
    expect(contains(edited, strange)).toBe(true);
    expect(contains(edited, field(5, ...attrBytes))).toBe(true);
  });

  it('keeps an attribute that moved to another name, under that name', () => {
    const read = readModel(bytes);
    const nodes = read.graph.nodes.map((it) => ({ ...it, attrs: { b: it.attrs['a']! } }));
    const edited = writeModel({ ...read, graph: { ...read.graph, nodes } });
    expect(contains(edited, field(5, field(1, 'b'), ...attrBytes.slice(1)))).toBe(true);
  });
});

describe('an edited model', () => {
  const base: Model = {
    ir: 8,
    opsets: { '': 17 },
    producer: { name: 'test', version: '' },
    metadata: {},
    graph: {
      name: 'g',
      nodes: [{ op: 'Add', domain: '', name: 'add', inputs: ['x', 'w'], outputs: ['y'], attrs: {} }],
      inputs: [{ name: 'x', type: { kind: 'tensor', dtype: 'float32', dims: ['N', 2] } }],
      outputs: [{ name: 'y' }],
      initializers: new Map([['w', float32([2], [1, 2])]]),
      values: new Map(),
    },
  };

  it('names an unchanged weight as its map does', () => {
    const read = readModel(writeModel(base));
    const w = read.graph.initializers.get('w')!;
    const renamed = { ...read, graph: { ...read.graph, initializers: new Map([['v', w]]) } };
    const again = readModel(writeModel(renamed));
    expect([...again.graph.initializers.keys()]).toEqual(['v']);
    expect(again.graph.initializers.get('v')).toEqual(float32([2], [1, 2]));
  });

  it('gets node names that are not in use twice', () => {
    const named = (name: string) => ({ ...base.graph.nodes[0]!, name });
    const names = ['a', 'a', 'a_1', '', '', 'a'];
    const read = readModel(writeModel({ ...base, graph: { ...base.graph, nodes: names.map(named) } }));
    expect(read.graph.nodes.map(({ name }) => name)).toEqual(['a', 'a_2', 'a_1', '', '', 'a_3']);
  });

  it('saturates integers beyond int64, as exporters write "to the end"', () => {
    const attrs = {
      end: { kind: 'int', value: 2 ** 63 },
      start: { kind: 'ints', value: [-(2 ** 63), -(2 ** 70)] },
    } as const;
    const nodes = [{ ...base.graph.nodes[0]!, attrs }];
    const bytes = writeModel({ ...base, graph: { ...base.graph, nodes } });
    expect(Buffer.from(bytes).includes(Buffer.from('18ffffffffffffffff7f', 'hex'))).toBe(true);
    expect(Buffer.from(bytes).includes(Buffer.from('4080808080808080808001', 'hex'))).toBe(true);
  });

  it('reads ai.onnx as the empty domain', () => {
    const nodes = [{ ...base.graph.nodes[0]!, domain: 'ai.onnx' }];
    const read = readModel(writeModel({ ...base, opsets: { 'ai.onnx': 17 }, graph: { ...base.graph, nodes } }));
    expect([read.opsets, read.graph.nodes[0]!.domain]).toEqual([{ '': 17 }, '']);
  });

  it('refuses a weight whose bytes do not fill its dimensions, by name', () => {
    const initializers = new Map([['w', { ...int64([2], [1, 2]), dims: [3] }]]);
    expect(() => writeModel({ ...base, graph: { ...base.graph, initializers } })).toThrowError(
      expect.objectContaining({ code: 'tensor/size', message: expect.stringContaining('"w"') }),
    );
  });
});

const data = process.env['PARE_DATA'] ?? new URL('../../../shared/data', import.meta.url).pathname;
const folder = join(data, 'models');
const present = existsSync(folder);

describe.skipIf(!present)('published models (skipped without PARE_DATA)', () => {
  const files = present ? readdirSync(folder).filter((file) => file.endsWith('.onnx')) : [];
  it.each(files)('%s passes the check, comes out unchanged, and means the same when built anew', (file) => {
    const bytes = new Uint8Array(readFileSync(join(folder, file)));
    const read = readModel(bytes);
    checkGraph(read);
    expect(Buffer.compare(writeModel(read), bytes)).toBe(0);
    const fresh = readModel(writeModel({ ...read, graph: anew(read.graph) }));
    expect(fresh.graph.nodes).toEqual(read.graph.nodes);
    expect([fresh.graph.inputs, fresh.graph.outputs]).toEqual([read.graph.inputs, read.graph.outputs]);
    expect([...fresh.graph.initializers.keys()]).toEqual([...read.graph.initializers.keys()]);
    for (const [name, weight] of read.graph.initializers) {
      expect(Buffer.compare(fresh.graph.initializers.get(name)!.bytes, weight.bytes)).toBe(0);
    }
  });
});
