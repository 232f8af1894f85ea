import { describe, expect, it } from 'vitest';
import { checkGraph } from './check.ts';
import type { Attr, Graph, Model, Node } from './model.ts';
import { float32, type Tensor } from './tensor.ts';

// Which of these ONNX Runtime 1.32 and onnx.checker 1.23 accept was tried with the same graphs.

const node = (
  op: string,
  inputs: string[],
  outputs: string[],
  attrs: Record<string, Attr> = {},
  domain = '',
): Node => ({
  op,
  domain,
  name: '',
  inputs,
  outputs,
  attrs,
});
const value = (name: string) => ({ name, type: { kind: 'tensor', dtype: 'float32', dims: [2] } }) as const;
const graphOf = (nodes: Node[], more: Partial<Graph> = {}): Graph => ({
  name: 'g',
  nodes,
  inputs: [value('x'), value('c')],
  outputs: [value('y')],
  initializers: new Map(),
  values: new Map(),
  ...more,
});
const check = (graph: Graph, more: Partial<Model> = {}): void =>
  checkGraph({ ir: 8, opsets: { '': 17 }, producer: { name: '', version: '' }, metadata: {}, graph, ...more });
const relu = node('Relu', ['x'], ['y']);
const weights = (tensor: Tensor = float32([2], [1, 2])) => new Map([['w', tensor]]);
const code = (name: string, rest = {}) => expect.objectContaining({ code: name, ...rest });
const branch = (nodes: Node[], output = 'o', more: Partial<Graph> = {}): Attr => ({
  kind: 'graph',
  value: graphOf(nodes, { inputs: [], outputs: [value(output)], ...more }),
});
const iff = (then: Attr, otherwise: Attr): Node =>
  node('If', ['c'], ['y'], { then_branch: then, else_branch: otherwise });
const fine = branch([node('Relu', ['x'], ['o'])]);

describe('checkGraph lets pass', () => {
  it.each<[string, Graph, Partial<Model>?]>([
    ['a plain graph', graphOf([relu])],
    [
      'a weight that is also an input, in any IR version',
      graphOf([node('Add', ['x', 'w'], ['y'])], { inputs: [value('x'), value('w')], initializers: weights() }),
    ],
    [
      'a weight that is no input, below IR version 4',
      graphOf([node('Add', ['x', 'w'], ['y'])], { initializers: weights() }),
      { ir: 3 },
    ],
    [
      'an output that is an input or a weight',
      graphOf([], { outputs: [value('x'), value('w')], initializers: weights() }),
    ],
    ['inputs and outputs that are left out', graphOf([node('Op', ['', 'x', ''], ['', 'y', ''])])],
    [
      'nodes of one name',
      graphOf([
        { ...node('Relu', ['x'], ['t']), name: 'a' },
        { ...node('Relu', ['t'], ['y']), name: 'a' },
      ]),
    ],
    ['a domain that the engine imports by itself', graphOf([node('Gelu', ['x'], ['y'], {}, 'com.microsoft')])],
    ['a new operator set in an old IR version', graphOf([relu]), { ir: 3 }],
    ['branches that use the same names', graphOf([iff(fine, fine)])],
    [
      'a branch whose value has the name of its own node’s output',
      graphOf([iff(branch([node('Relu', ['x'], ['y'])], 'y'), fine)]),
    ],
    [
      'a branch whose weight hides an outer one',
      graphOf([iff(branch([node('Add', ['x', 'w'], ['o'])], 'o', { initializers: weights() }), fine)], {
        initializers: weights(),
      }),
    ],
    ['a branch that names a value which is made later outside', graphOf([iff(fine, fine), node('Relu', ['x'], ['o'])])],
  ])('%s', (_, graph, more) => check(graph, more));
});

describe('checkGraph refuses', () => {
  it.each<[string, string, Graph, Partial<Model>?]>([
    ['graph/duplicate-name', 'two nodes that make one value', graphOf([relu, node('Abs', ['x'], ['y'])])],
    ['graph/duplicate-name', 'a node that makes an input', graphOf([node('Abs', ['c'], ['x']), relu])],
    [
      'graph/duplicate-name',
      'a node that makes a weight',
      graphOf([relu, node('Abs', ['x'], ['w'])], { initializers: weights() }),
    ],
    ['graph/duplicate-name', 'two inputs of one name', graphOf([relu], { inputs: [value('x'), value('x')] })],
    [
      'graph/duplicate-name',
      'a branch that makes an outer value again',
      graphOf([node('Relu', ['x'], ['o']), iff(fine, fine)]),
    ],
    ['graph/undefined-value', 'a reading of nothing', graphOf([node('Add', ['x', 'zz'], ['y'])])],
    ['graph/undefined-value', 'an output of nothing', graphOf([relu], { outputs: [value('q')] })],
    [
      'graph/undefined-value',
      'a reading of nothing in a branch',
      graphOf([iff(branch([node('Relu', ['zz'], ['o'])]), fine)]),
    ],
    ['graph/undefined-value', 'a branch that returns an outer value', graphOf([iff(branch([], 'x'), fine)])],
    [
      'graph/undefined-value',
      'a value of a branch read outside',
      graphOf([iff(fine, fine), node('Relu', ['o'], ['z'])]),
    ],
    [
      'graph/not-sorted',
      'a reader before its maker',
      graphOf([node('Relu', ['t'], ['y']), node('Relu', ['x'], ['t'])]),
    ],
    [
      'graph/not-sorted',
      'a branch that reads what is made later',
      graphOf([iff(branch([node('Relu', ['late'], ['o'])]), fine), node('Relu', ['x'], ['late'])]),
    ],
    ['graph/cycle', 'a circle', graphOf([node('Add', ['x', 'y'], ['t']), node('Relu', ['t'], ['y'])])],
    ['graph/cycle', 'a node that reads itself', graphOf([node('Add', ['x', 'y'], ['y'])])],
    [
      'graph/cycle',
      'a branch that reads its own node’s output',
      graphOf([iff(branch([node('Relu', ['y'], ['o'])]), fine)]),
    ],
    ['graph/opset-missing', 'no operator set', graphOf([relu]), { opsets: {} }],
    ['graph/opset-missing', 'a domain without version', graphOf([node('Mine', ['x'], ['y'], {}, 'my.own')])],
    [
      'graph/opset-missing',
      'a domain without version in a branch',
      graphOf([iff(branch([node('Mine', ['x'], ['o'], {}, 'my.own')]), fine)]),
    ],
    ['graph/opset-missing', 'version 0', graphOf([relu]), { opsets: { '': 0 } }],
    ['graph/ir-version', 'no IR version', graphOf([relu]), { ir: 0 }],
    [
      'graph/initializer-size',
      'too few bytes',
      graphOf([relu], { initializers: weights({ ...float32([1], [1]), dims: [2] }) }),
    ],
    [
      'graph/initializer-size',
      'too many bytes',
      graphOf([relu], { initializers: weights({ ...float32([3], [1, 2, 3]), dims: [2] }) }),
    ],
    [
      'graph/initializer-size',
      'too few strings',
      graphOf([relu], {
        initializers: weights({ dtype: 'string', dims: [2], bytes: new Uint8Array(0), strings: ['a'] }),
      }),
    ],
  ])('%s: %s', (name, _, graph, more) => {
    expect(() => check(graph, more)).toThrowError(code(name));
  });

  it('naming the circle, the nodes out of order, and the nearest name', () => {
    const circle = graphOf([node('Add', ['x', 'y'], ['t']), node('Relu', ['t'], ['y'])]);
    expect(() => check(circle)).toThrowError(
      code('graph/cycle', {
        detail: { where: 'Add that makes "t" → Relu that makes "y" → Add that makes "t"' },
      }),
    );
    const unsorted = graphOf([node('Relu', ['t'], ['y']), node('Relu', ['x'], ['t'])]);
    expect(() => check(unsorted)).toThrowError(/Relu that makes "y" reads "t" before Relu that makes "t" makes it/);
    const slip = graphOf([node('Add', ['x', 'wieght'], ['y'])], {
      initializers: new Map([['weight', float32([], [1])]]),
    });
    expect(() => check(slip)).toThrowError(
      code('graph/undefined-value', { detail: expect.objectContaining({ hint: expect.stringContaining('"weight"') }) }),
    );
  });
});

it('does not read weights that are not in memory', () => {
  const weight: Tensor = {
    dtype: 'float32',
    dims: [2],
    get bytes(): Uint8Array {
      throw new Error('touched');
    },
  };
  check(graphOf([relu], { initializers: weights(weight) }));
});

it('checks long chains', () => {
  const chain = Array.from({ length: 20_000 }, (_, i) =>
    node('Relu', [i === 0 ? 'x' : `v${i - 1}`], [i === 19_999 ? 'y' : `v${i}`]),
  );
  check(graphOf(chain));
  expect(() => check(graphOf(chain.toReversed()))).toThrowError(code('graph/not-sorted'));
});
