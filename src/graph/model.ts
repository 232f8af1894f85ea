/** The in-memory view of an ONNX file. Values are immutable: an edit makes a new one and shares the rest. */

import type { DType } from './dtype.ts';
import type { Tensor } from './tensor.ts';

/** A dimension: a number, the name of a symbol ("N", or an expression such as "2*N"), or null when unknown. */
export type Dim = number | string | null;

/** The type of a tensor value. `dims` is undefined when even the rank is unknown. */
export interface TensorType {
  readonly kind: 'tensor';
  readonly dtype: DType;
  readonly dims?: readonly Dim[];
}

/** A sequence, map, optional or sparse type: carried as its TypeProto bytes, never interpreted. */
export interface OpaqueType {
  readonly kind: 'opaque';
  readonly bytes: Uint8Array;
}

export type ValueType = TensorType | OpaqueType;

export interface ValueInfo {
  readonly name: string;
  /** Absent when the file does not say (sub-graph inputs may leave it out). */
  readonly type?: ValueType;
  readonly doc?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** An attribute, with the kind that ONNX stores beside it. */
export type Attr =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'tensor'; readonly value: Tensor }
  | { readonly kind: 'graph'; readonly value: Graph }
  | { readonly kind: 'graphs'; readonly value: readonly Graph[] }
  /** Kinds that we carry without reading: sparse tensors, type protos, references, future kinds. */
  | {
      readonly kind: 'opaque';
      readonly value: Uint8Array;
      /** The attribute of the function around it that this one stands for. */
      readonly reference?: string;
    };

export interface Node {
  /** ONNX op_type. */
  readonly op: string;
  /** '' is ai.onnx. */
  readonly domain: string;
  readonly name: string;
  /** '' is an input that was left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs: Readonly<Record<string, Attr>>;
  readonly overload?: string;
  readonly doc?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Fields of the file's message that this version does not know, as their bytes. */
  readonly unknown?: readonly Uint8Array[];
}

export interface Graph {
  readonly name: string;
  /** In topological order. */
  readonly nodes: readonly Node[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** Weights and constants by name, in file order. */
  readonly initializers: ReadonlyMap<string, Tensor>;
  /** Types the file (or our inference) states for values that are neither inputs nor outputs. */
  readonly values: ReadonlyMap<string, ValueInfo>;
  readonly doc?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Quantisation annotations and unknown fields, as their bytes. */
  readonly unknown?: readonly Uint8Array[];
}

/** A function that belongs to the model: a node of this domain and op stands for its nodes. */
export interface LocalFunction {
  readonly op: string;
  readonly domain: string;
  readonly overload?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly Node[];
  /** Attributes that a caller may leave out. */
  readonly defaults: Node['attrs'];
  readonly opsets: Model['opsets'];
}

export interface Model {
  readonly ir: number;
  /** Version by domain; '' is ai.onnx. */
  readonly opsets: Readonly<Record<string, number>>;
  /** The versions of ai.onnx and of the format that its file spoke, where it was brought up to later ones since. */
  readonly own?: { readonly opset: number; readonly ir: number };
  readonly graph: Graph;
  readonly producer: { readonly name: string; readonly version: string };
  readonly domain?: string;
  readonly version?: number;
  readonly doc?: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly functions?: readonly LocalFunction[];
  /** Training info and unknown fields, as their bytes. */
  readonly unknown?: readonly Uint8Array[];
}

/** Plain attribute values, as rows read and write them. */
export type AttrValue = Attr['value'];

/** Does this graph input hold a weight? (IR versions below 4 listed initialisers among the inputs.) */
export const isWeight = (graph: Graph, name: string): boolean => graph.initializers.has(name);

/** The inputs that a caller must feed: those without an initialiser. */
export const feedsOf = (graph: Graph): readonly ValueInfo[] =>
  graph.inputs.filter(({ name }) => !graph.initializers.has(name));

/** A tensor's type, or undefined for opaque and unknown ones. */
export const tensorType = (info: ValueInfo | undefined): TensorType | undefined =>
  info?.type?.kind === 'tensor' ? info.type : undefined;
