/** The table of ops. A family's rows are spread in; a new row is known everywhere from then on. */

import type { Node } from '../graph/model.ts';
import * as activation from './activation.ts';
import * as arithmetic from './arithmetic.ts';
import * as composite from './composite.ts';
import * as conv from './conv.ts';
import * as matmul from './matmul.ts';
import * as nchwc from './nchwc.ts';
import * as norm from './norm.ts';
import type { Row } from './op.ts';
import * as pool from './pool.ts';
import * as quant from './quant.ts';
import * as reduce from './reduce.ts';
import * as shape from './shape.ts';

const families = {
  ...activation,
  ...arithmetic,
  ...composite,
  ...conv,
  ...matmul,
  ...norm,
  ...pool,
  ...quant,
  ...reduce,
  ...shape,
};

/** The names under which the builder offers ops. */
export type OpName =
  | keyof typeof activation
  | keyof typeof arithmetic
  | keyof typeof composite
  | keyof typeof conv
  | keyof typeof matmul
  | keyof typeof norm
  | keyof typeof pool
  | keyof typeof quant
  | keyof typeof reduce
  | keyof typeof shape;

/** Every row, by `domain:type` ('' before the colon is ai.onnx). */
export const ops: ReadonlyMap<string, Row> = new Map(
  [...Object.values(families), ...Object.values(nchwc)].map((row) => [`${row.domain}:${row.type}`, row]),
);

const DOMAINS = ['', 'com.microsoft', 'com.microsoft.nchwc', 'ai.onnx.ml', 'pare'];

/** The row of an op by its name; without a domain, ai.onnx first. */
export function rowNamed(type: string, domain?: string): Row | undefined {
  if (domain !== undefined) return ops.get(`${domain === 'ai.onnx' ? '' : domain}:${type}`);
  for (const candidate of DOMAINS) {
    const row = ops.get(`${candidate}:${type}`);
    if (row) return row;
  }
  return undefined;
}

/** The row of a node, or undefined: such a node passes through and is protected from surgery. */
export const rowOf = (node: Pick<Node, 'op' | 'domain'>): Row | undefined => rowNamed(node.op, node.domain);
