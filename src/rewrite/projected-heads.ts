/** Queries, keys and values of several heads, read back to the product of matrices that they are columns of. */

import type { Node } from '../graph/model.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { followBack, sizes, sourcePlaces } from './moved.ts';
import { rowOrigins } from './moved-rows.ts';
import type { Net } from './net.ts';

/** factor · (x [B, L, D] · columns `from` to `from + heads · depth` of W [D, …] + b), as [B, heads, L, depth]. */
export interface ProjectedHeads {
  readonly x: string;
  readonly weight: string;
  readonly bias: string | undefined;
  readonly from: number;
  readonly heads: number;
  readonly depth: number;
  readonly factor: number;
}

/** How a value [B, H, L, D] is projected, or one [B, H, D, L] that is `turned`; undefined where it is made in another way. */
export function projectedHeads(name: string, net: Net, turned = false): ProjectedHeads | undefined {
  const moved = followBack(name, net);
  const made = product(moved.source, net);
  const size = sizes();
  const laid = made && sourcePlaces(moved, size, net);
  if (!made || laid?.dims.length !== 4) return undefined;
  const width = net.constant(made.weight)!.dims[1]!;
  const [B, H] = laid.dims as [number, number];
  const [L, D] = (turned ? [laid.dims[3], laid.dims[2]] : [laid.dims[2], laid.dims[3]]) as [number, number];
  const from = laid.places[0]! % width;
  if (from + H * D > width) return undefined;
  const [ofPlace, ofDepth] = turned ? [1, L] : [D, 1];
  const isOf = (rows: Int32Array): boolean => {
    for (let head = 0; head < B * H; head++) {
      for (let l = 0; l < L; l++) {
        for (let d = 0; d < D; d++) {
          const place = laid.places[head * L * D + l * ofPlace + d * ofDepth]!;
          const column = from + (head % H) * D + d;
          if (place % width !== column) return false;
          if (rows[(place - column) / width] !== Math.floor(head / H) * L + l) return false;
        }
      }
    }
    return true;
  };
  const origin = rowOrigins(made.x, 3, size, net).find(({ rows }) => rows.length === B * L && isOf(rows));
  return origin && { ...made, x: origin.name, from, heads: H, depth: D, factor: moved.factor };
}

function product(name: string, net: Net): Pick<ProjectedHeads, 'x' | 'weight' | 'bias'> | undefined {
  const sum = made(name, 'Add', net);
  const operands = sum ? sum.inputs : [name];
  const matmul = operands.map((each) => made(each, 'MatMul', net)).find((node) => node);
  const weight = matmul && net.constant(matmul.inputs[1]!);
  if (!matmul || weight?.dims.length !== 2 || weight.dtype !== 'float32') return undefined;
  const bias = operands.find((each) => each !== matmul.outputs[0]);
  if (bias !== undefined && !isRow(net.constant(bias), weight.dims[1]!)) return undefined;
  return { x: matmul.inputs[0]!, weight: matmul.inputs[1]!, bias };
}

const isRow = (bias: Tensor | undefined, width: number): boolean =>
  bias !== undefined && bias.dtype === 'float32' && sizeOf(bias.dims) === width && bias.dims.at(-1) === width;

function made(name: string, op: string, net: Net): Node | undefined {
  const node = net.maker(name);
  return node?.op === op && node.domain === '' ? node : undefined;
}
