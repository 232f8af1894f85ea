/**
 * Attributes that say what an operator does without them: exporters write its defaults out.
 *
 *   Conv (strides = 1 1, dilations = 1 1, pads = 0 0 0 0, group = 1, kernel_shape = as W is)  →  Conv
 */

import type { Attr, AttrValue, Graph, Model, Node } from '../graph/model.ts';
import { isSame } from './form.ts';
import { type Facts, infer } from './infer.ts';

/** What each place of a window's lists stands for when the list is left out. */
const NEUTRAL: Readonly<Record<string, number>> = { strides: 1, dilations: 1, pads: 0 };

interface Spare {
  /** Defaults that were the same in every opset that had the attribute. */
  readonly defaults: Readonly<Record<string, AttrValue>>;
  /** Does it slide a window? */
  readonly isWindow?: true;
  /** The input whose shape tells that window. */
  readonly weight?: number;
}

const CONV: Spare = { defaults: { auto_pad: 'NOTSET', group: 1 }, isWindow: true, weight: 1 };
const POOL = { auto_pad: 'NOTSET', ceil_mode: 0 };

/** By op of ai.onnx. Source: onnx.defs of ONNX 1.23 (test/oracle/spare-attributes.py). */
export const SPARE: Readonly<Record<string, Spare>> = {
  Conv: CONV,
  ConvTranspose: CONV,
  MaxPool: { defaults: { ...POOL, storage_order: 0 }, isWindow: true },
  AveragePool: { defaults: { ...POOL, count_include_pad: 0 }, isWindow: true },
  Gemm: { defaults: { alpha: 1, beta: 1, transA: 0, transB: 0 } },
  Flatten: { defaults: { axis: 1 } },
  Gather: { defaults: { axis: 0 } },
  Pad: { defaults: { mode: 'constant' } },
  Reshape: { defaults: { allowzero: 0 } },
  Resize: {
    defaults: {
      antialias: 0,
      coordinate_transformation_mode: 'half_pixel',
      cubic_coeff_a: -0.75,
      exclude_outside: 0,
      extrapolation_value: 0,
      mode: 'nearest',
      nearest_mode: 'round_prefer_floor',
    },
  },
};

/** The model without them, in its main graph; the same model where there are none. */
export function withoutSpare(model: Model): Model {
  const { graph } = model;
  const facts = infer(graph);
  const nodes = graph.nodes.map((node) => lean(node, facts));
  if (nodes.every((node, i) => node === graph.nodes[i])) return model;
  const next: Graph = { ...graph, nodes };
  return { ...model, graph: next };
}

function lean(node: Node, facts: Facts): Node {
  const spare = node.domain === '' ? SPARE[node.op] : undefined;
  if (!spare) return node;
  const all = Object.entries(node.attrs);
  const needed = all.filter(([name, attr]) => !isSpare(name, attr, spare, node, facts));
  return needed.length === all.length ? node : { ...node, attrs: Object.fromEntries(needed) };
}

function isSpare(name: string, { value }: Attr, spare: Spare, { inputs }: Node, facts: Facts): boolean {
  const { defaults, isWindow, weight } = spare;
  if (isWindow && Array.isArray(value) && Object.hasOwn(NEUTRAL, name))
    return value.every((each) => each === NEUTRAL[name]);
  if (weight !== undefined && name === 'kernel_shape') {
    const dims = facts.get(inputs[weight] ?? '')?.dims.slice(2);
    return dims?.every((dim) => typeof dim === 'number') === true && isSame(value, dims);
  }
  return Object.hasOwn(defaults, name) && isSame(value, defaults[name]);
}
