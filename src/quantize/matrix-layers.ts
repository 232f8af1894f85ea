/** Rewrites the dense layers of a graph: matrix products with a constant matrix. Names no op. */

import { freshNames, namesOf, removeDead } from '../graph/edit.ts';
import type { Attr, Graph, Model, Node } from '../graph/model.ts';
import { float32, floats, type Tensor } from '../graph/tensor.ts';
import { type Facts, infer } from '../ops/infer.ts';
import { constantOf } from '../rewrite/constant-of.ts';
import { rewrite } from '../rewrite/index.ts';
import { transposed } from './blocks.ts';
import { finite } from './finite.ts';
import { type Kept, labelOf } from './plan.ts';
import { prepareWeights } from './prepare.ts';
import { roleOf } from './role.ts';
import { storesWeights } from './store.ts';

/** A dense layer: Y [..., N] = X [..., K] · W [K, N]. */
export interface MatrixLayer {
  readonly node: Node;
  readonly input: string;
  readonly output: string;
  readonly weight: string;
  /** [K, N], rows of N; read when it is asked for. Throws quantize/weight when it is not finite. */
  readonly w: Float32Array;
  readonly K: number;
  readonly N: number;
  /** In a branch or loop: what it reads cannot be watched from outside. */
  readonly isInside: boolean;
}

/** Writes into the graph that holds the layer; constants go to the outermost, where all see them. */
export interface Pen {
  /** A constant under this name or one like it. */
  readonly constant: (wish: string, tensor: Tensor) => string;
  /** A constant that several layers share: made once for each wish. */
  readonly shared: (wish: string, make: () => Tensor) => string;
  /** The same in the graph that holds the layer, for what the engine does not look for further out. */
  readonly local: (wish: string, make: () => Tensor) => string;
  readonly fresh: (wish: string) => string;
  readonly add: (node: Pick<Node, 'op' | 'inputs' | 'outputs'> & Partial<Node>) => void;
}

export interface MatrixOptions {
  /** Node names, names of their first output, or op types that stay in floats. */
  exclude?: readonly string[];
  /** Products whose matrix has fewer elements stay in floats. Default 0. */
  least?: number;
}

/** The model in the form in which its dense layers are found: every product with a constant matrix stands alone. */
export const prepareMatrices = (model: Model): Model => rewrite(prepareWeights(model), ['gemm-to-matmul-add']).model;

/** The products that are left after all, together with their biases again: one node is faster than two. */
export const joined = (model: Model): Model => rewrite(model, ['matmul-add-to-gemm']).model;

/** The dense layers that `replaceMatrixLayers` would show. */
export function matrixLayersOf(model: Model, options: MatrixOptions = {}): MatrixLayer[] {
  const layers: MatrixLayer[] = [];
  replaceMatrixLayers(
    model,
    (layer) => {
      layers.push(layer);
      return false;
    },
    options,
  );
  return layers;
}

/** The model in which `replace` has written other nodes for each dense layer, in branches and loops too; false leaves one as it is. */
export function replaceMatrixLayers(
  model: Model,
  replace: (layer: MatrixLayer, pen: Pen) => boolean,
  { exclude = [], least = 0 }: MatrixOptions = {},
): { model: Model; replaced: string[]; kept: Kept[] } {
  const prepared = prepareMatrices(model);
  const initializers = new Map(prepared.graph.initializers);
  const fresh = freshNames(namesOf(prepared.graph));
  const replaced: string[] = [];
  const kept: Kept[] = [];
  const shared = new Map<string, string>();
  const matrices = new Map<string, Tensor>();
  const constant = (wish: string, tensor: Tensor): string => {
    const name = fresh(wish);
    initializers.set(name, tensor);
    return name;
  };
  const sharing =
    (known: Map<string, string>, into: Map<string, Tensor>): Pen['shared'] =>
    (wish, make) => {
      const name = known.get(wish) ?? fresh(wish);
      if (!known.has(wish)) into.set(name, make());
      known.set(wish, name);
      return name;
    };
  const penFor = (nodes: Node[], own?: Map<string, Tensor>): Pen => ({
    constant,
    shared: sharing(shared, initializers),
    local: own ? sharing(new Map(), own) : sharing(shared, initializers),
    fresh,
    add: (node) => nodes.push({ domain: '', name: '', attrs: {}, ...node }),
  });

  /** The nodes that take the place of the graph's; where it lies within another, `own` gets its own constants. */
  const inGraph = (given: Graph, facts: Facts, own?: Map<string, Tensor>): Node[] => {
    const known = [...given.initializers, ...constantNodes(given), ...turnedTables(given)];
    const graph = { ...given, initializers: new Map(known) };
    const nodes: Node[] = [];
    const pen = penFor(nodes, own);
    for (const node of graph.nodes) {
      const role = roleOf(node, graph, facts);
      const label = labelOf(node);
      const keep = (why: string): void => {
        kept.push({ node: label, op: node.op, why });
        nodes.push(node);
      };
      if (role.kind !== 'weighted') {
        if (role.kind === 'product')
          keep(
            role.inputs.some((i) => graph.initializers.has(node.inputs[i]!))
              ? 'its matrix stands on the left'
              : 'both operands are computed',
          );
        else {
          if (storesWeights(node)) kept.push({ node: label, op: node.op, why: 'it is no product with a matrix' });
          nodes.push(inNode(node, graph, facts));
        }
        continue;
      }
      const weight = node.inputs[role.weight]!;
      const tensor = graph.initializers.get(weight)!;
      const [K, N] = tensor.dims as [number, number];
      if (!role.product || tensor.dims.length !== 2) keep('it is no product with a matrix');
      else if (role.bias >= 0 || role.axis !== 1) keep('its product is scaled or transposed');
      else if (K * N < least) keep(`its matrix has only ${K * N} elements`);
      else if ([node.name, node.op, node.outputs[0]!].some((name) => exclude.includes(name))) keep('excluded');
      else if ((matrices.get(weight) ?? tensor) !== tensor) keep('another branch has another matrix of that name');
      else {
        matrices.set(weight, tensor);
        const layer: MatrixLayer = {
          node,
          input: node.inputs[role.input]!,
          output: node.outputs[0]!,
          weight,
          get w() {
            return finite(floats(tensor), weight);
          },
          K,
          N,
          isInside: own !== undefined,
        };
        if (replace(layer, pen)) replaced.push(label);
        else keep('it would not shrink');
      }
    }
    return nodes;
  };
  const inNode = (node: Node, { initializers: outer }: Graph, facts: Facts): Node => {
    const inner = (graph: Graph): Graph => {
      const seen = { ...graph, initializers: new Map([...outer, ...graph.initializers]) };
      const own = new Map(graph.initializers);
      const nodes = inGraph(seen, infer(graph, {}, facts), own);
      return nodes.every((node, i) => node === graph.nodes[i])
        ? graph
        : removeDead({ ...graph, nodes, initializers: own });
    };
    const attrs = Object.entries(node.attrs).map(([key, attr]): [string, Attr] => [
      key,
      attr.kind === 'graph' ? { ...attr, value: inner(attr.value) } : attr,
    ]);
    return attrs.some(([key, attr]) => attr.value !== node.attrs[key]!.value)
      ? { ...node, attrs: Object.fromEntries(attrs) }
      : node;
  };

  const nodes = inGraph(prepared.graph, infer(prepared.graph));
  const graph: Graph = removeDead({ ...prepared.graph, nodes, initializers });
  return { model: { ...prepared, producer: { name: 'pare', version: '' }, graph }, replaced, kept };
}

/** What the Constant nodes of a branch hold: exporters leave weights there. */
const constantNodes = ({ nodes }: Graph): [string, Tensor][] =>
  nodes.flatMap((node): [string, Tensor][] => {
    const constant = constantOf(node);
    return constant ? [[node.outputs[0]!, constant]] : [];
  });

/** What a graph keeps once and turns for products (a table that is looked up, too), as the matrices that the products see. */
function turnedTables({ nodes, initializers }: Graph): [string, Tensor][] {
  return nodes.flatMap(({ op, domain, inputs, outputs, attrs: { perm } }): [string, Tensor][] => {
    const table = initializers.get(inputs[0] ?? '');
    const isTurned = perm === undefined || (perm.kind === 'ints' && perm.value.join() === '1,0');
    if (op !== 'Transpose' || domain !== '' || table?.dtype !== 'float32' || table.dims.length !== 2 || !isTurned) {
      return [];
    }
    const [rows, columns] = table.dims as [number, number];
    const made = {
      dtype: table.dtype,
      dims: [columns, rows],
      get bytes() {
        return float32(this.dims, transposed(floats(table), rows, columns)).bytes;
      },
    };
    return [[outputs[0]!, made]];
  });
}
