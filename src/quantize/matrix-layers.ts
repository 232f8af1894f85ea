/** Rewrites the dense layers of a graph: matrix products with a constant matrix. Names no op. */

import { freshNames, namesOf, removeDead } from '../graph/edit.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { floats, type Tensor } from '../graph/tensor.ts';
import { infer } from '../ops/infer.ts';
import { rewrite } from '../rewrite/index.ts';
import { type Kept, labelOf } from './plan.ts';
import { prepareWeights } from './prepare.ts';
import { roleOf } from './role.ts';

/** A dense layer: Y [..., N] = X [..., K] · W [K, N]. */
export interface MatrixLayer {
  readonly node: Node;
  readonly input: string;
  readonly output: string;
  readonly weight: string;
  /** [K, N], rows of N; read when it is asked for. */
  readonly w: Float32Array;
  readonly K: number;
  readonly N: number;
}

export interface Pen {
  /** A constant under this name or one like it. */
  readonly constant: (wish: string, tensor: Tensor) => string;
  /** A constant that several layers share: made once for each wish. */
  readonly shared: (wish: string, make: () => Tensor) => string;
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

/** The model in which `replace` has written other nodes for each dense layer; false leaves one as it is. */
export function replaceMatrixLayers(
  model: Model,
  replace: (layer: MatrixLayer, pen: Pen) => boolean,
  { exclude = [], least = 0 }: MatrixOptions = {},
): { model: Model; replaced: string[]; kept: Kept[] } {
  const prepared = prepareMatrices(model);
  const facts = infer(prepared.graph);
  const initializers = new Map(prepared.graph.initializers);
  const fresh = freshNames(namesOf(prepared.graph));
  const nodes: Node[] = [];
  const replaced: string[] = [];
  const kept: Kept[] = [];
  const shared = new Map<string, string>();
  const constant = (wish: string, tensor: Tensor): string => {
    const name = fresh(wish);
    initializers.set(name, tensor);
    return name;
  };
  const pen: Pen = {
    constant,
    shared: (wish, make) => {
      const name = shared.get(wish) ?? constant(wish, make());
      shared.set(wish, name);
      return name;
    },
    fresh,
    add: (node) => nodes.push({ domain: '', name: '', attrs: {}, ...node }),
  };
  for (const node of prepared.graph.nodes) {
    const role = roleOf(node, prepared.graph, facts);
    const label = labelOf(node);
    const keep = (why: string): void => {
      kept.push({ node: label, op: node.op, why });
      nodes.push(node);
    };
    if (role.kind === 'product') {
      keep('both operands are computed');
      continue;
    }
    if (role.kind !== 'weighted') {
      nodes.push(node);
      continue;
    }
    const weight = node.inputs[role.weight]!;
    const tensor = prepared.graph.initializers.get(weight)!;
    const [K, N] = tensor.dims as [number, number];
    if (!role.product || tensor.dims.length !== 2) keep('it is no product with a matrix');
    else if (role.bias >= 0 || role.axis !== 1) keep('its product is scaled or transposed');
    else if (K * N < least) keep(`its matrix has only ${K * N} elements`);
    else if ([node.name, node.op, node.outputs[0]!].some((name) => exclude.includes(name))) keep('excluded');
    else {
      const layer = {
        node,
        input: node.inputs[role.input]!,
        output: node.outputs[0]!,
        weight,
        get w() {
          return floats(tensor);
        },
        K,
        N,
      };
      if (replace(layer, pen)) replaced.push(label);
      else keep('it would not shrink');
    }
  }
  const graph: Graph = removeDead({ ...prepared.graph, nodes, initializers });
  return { model: { ...prepared, producer: { name: 'pare', version: '' }, graph }, replaced, kept };
}
