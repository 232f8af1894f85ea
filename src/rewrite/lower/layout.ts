/** What a blocked form is, and what it may ask. */

import type { Node } from '../../graph/model.ts';
import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';

export const NCHWC = 'com.microsoft.nchwc';

/** Values as a graph in two layouts has them. */
export interface Layout {
  readonly g: Builder;
  /** Channels per block. */
  readonly block: number;
  /** The twin of a value that has one. */
  readonly twin: (name: string) => StaticValue | undefined;
  /** The twin of any value whose channels fill blocks, reordered where there is none. */
  readonly blocked: (name: string) => StaticValue;
  readonly plain: (name: string) => StaticValue;
  /** What is known of a value, either way it lies. */
  readonly fact: (name: string) => StaticValue;
  readonly isConstant: (name: string) => boolean;
}

export interface Made {
  readonly value: StaticValue;
  /** 'plain' for results without places, such as sums. Default 'blocked'. */
  readonly layout?: 'plain';
}

/** The node in blocked form; undefined where it stays as it is. */
export type Form = (node: Node, layout: Layout) => Made | undefined;
