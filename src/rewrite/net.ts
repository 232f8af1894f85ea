/** What rules may ask of a graph, and do to it. */

import type { Attr, Dim, Graph, Node } from '../graph/model.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { AttrInput } from '../ops/builder.ts';
import type { Value } from '../ops/op.ts';

/** What rules may ask. */
export interface Net {
  /** The nodes in topological order, as they stand now. */
  readonly nodes: () => readonly Node[];
  readonly maker: (name: string) => Node | undefined;
  /** The nodes that read a value, those included whose sub-graphs do. */
  readonly readers: (name: string) => readonly Node[];
  readonly isOutput: (name: string) => boolean;
  /** Is it fed by the caller? */
  readonly isInput: (name: string) => boolean;
  /** Is it read inside some node's sub-graph? */
  readonly isReadInside: (name: string) => boolean;
  /** An initialiser's or a Constant's tensor. */
  readonly constant: (name: string) => Tensor | undefined;
  /** Initialisers by name. */
  readonly initializers: ReadonlyMap<string, Tensor>;
  readonly fact: (name: string) => Value | undefined;
  readonly dims: (name: string) => readonly Dim[] | undefined;
  /** Version of ai.onnx. */
  readonly opset: number;
}

export interface EmitOptions {
  /** The node whose name and notes the new one takes over. */
  like?: Node;
  domain?: string;
  /** Number of outputs. Default 1. */
  outputs?: number;
}

/** What rules may do. */
export interface Edit extends Net {
  /** Makes a node, to be put where the root stands; returns its first output. Attributes may be kept from another node. */
  readonly emit: (
    op: string,
    inputs: readonly string[],
    attrs?: Readonly<Record<string, AttrInput | Attr>>,
    options?: EmitOptions,
  ) => string;
  /** A new weight under a free name like `wish`. */
  readonly weight: (wish: string, tensor: Tensor) => string;
  /** Other content for the weight `name` as `reader` sees it: in place when nobody else reads it, else under a new name. */
  readonly reweigh: (name: string, tensor: Tensor, ...readers: readonly Node[]) => string;
  /**
   * Puts what was emitted in the root's place and lets `outputs` stand for the root's outputs, whose names live on.
   * Returns undefined, or the reason why it changed nothing.
   */
  readonly replace: (root: Node, outputs: readonly (string | undefined)[]) => string | undefined;
  /** Every reader of `from` reads `to` instead. Returns undefined, or the reason why it changed nothing. */
  readonly redirect: (from: string, to: string) => string | undefined;
  /** A node's single output becomes an initialiser of the same name. */
  readonly settle: (node: Node, tensor: Tensor) => void;
  /** Removes a node that nobody reads, and what only it needed. */
  readonly remove: (node: Node) => void;
  /** Removes initialisers that nobody reads. Returns their names. */
  readonly dropWeights: () => string[];
  /** The graph as it stands. */
  readonly finish: () => Graph;
}
