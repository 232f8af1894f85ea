/** The row of an operator: the few questions that every op answers, asked by rooms that know no op by name. */

import type { DType } from '../graph/dtype.ts';
import type { AttrValue, Dim, Graph } from '../graph/model.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Builder } from './builder.ts';
import type { Axis, Link } from './link.ts';
import type { Sample } from './sample.ts';

/** What is known of a value before it is computed. */
export interface Value {
  readonly name: string;
  readonly dtype: DType;
  /** Undefined when even the rank is unknown; rules are only asked when the ranks they need are known. */
  readonly dims: readonly Dim[];
  /** The elements, where they are known ahead of running: small constants, and the results of shape arithmetic. */
  readonly ints?: readonly Dim[];
  /** The whole tensor, where the value is a constant. */
  readonly constant?: Tensor;
}

/** A value whose dimensions are all numbers: what gradients see. */
export interface StaticValue extends Value {
  readonly dims: readonly number[];
}

/** What a shape rule says of one output. A bare list of dimensions takes the dtype of the first input. */
export interface Out {
  readonly dtype?: DType;
  readonly dims: readonly Dim[];
  /** Elements of a small integer output, when they follow from what is known. */
  readonly ints?: readonly Dim[] | undefined;
  /** The whole tensor, where it is a constant. */
  readonly constant?: Tensor | undefined;
}

/** What is known around a node: how control-flow ops learn what their sub-graphs compute. */
export interface Scope {
  /** What a sub-graph's outputs are, given what its inputs are (by position; undefined where unknown). */
  readonly outputsOf: (
    graph: Graph,
    inputs: readonly (Omit<Value, 'name'> | undefined)[],
  ) => readonly (Value | undefined)[];
}

/** One answer for the single output, several for several, null for "cannot be told from what is known". */
export type ShapeAnswer = readonly Dim[] | Out | readonly (Out | null)[] | null;

/** Multiply-accumulates of one run. */
export interface Cost {
  readonly macs: number;
}

/** Multiply-accumulates of one run of a sub-graph, given what its inputs are (by position; undefined where unknown). */
export type BodyCost = (graph: Graph, inputs: readonly (Omit<Value, 'name'> | undefined)[]) => number;

/** How integers enter an op. */
export type Quant<A = Attrs> =
  /** A weight that can be stored as integers along a channel axis, multiplied with a quantised input into an int32 sum. */
  | {
      readonly kind: 'weighted';
      readonly input: string;
      readonly weight: string;
      readonly bias?: string;
      readonly axis: (attrs: A, rank: number) => number;
    }
  /** Moves or selects elements: output scale = input scale; with `padding` it brings in zeros of its own. */
  | { readonly kind: 'passes'; readonly padding?: true }
  /** y = min(max(x, lo), hi): an integer's limits can do its work. */
  | { readonly kind: 'clamps'; readonly lo: number; readonly hi: number }
  /** y = by · x of this slot, by > 0: the same integers on a grid that is so many times as wide. */
  | { readonly kind: 'rescales'; readonly input: string; readonly by: number }
  /** Has an integer kernel with a scale of its own for every input and the output. `rises`: y of one x, where it never falls. */
  | { readonly kind: 'own'; readonly rises?: (x: number) => number }
  /** Stays in floats. `stores`: weights that may be stored as integers all the same, and the axis of their output channels. */
  | {
      readonly kind: 'float';
      readonly why?: string;
      readonly stores?: { readonly slots: readonly string[]; readonly axis: number };
    }
  /** One of the above for each node: told by its inputs that are constants of one number (null for all others) and its attributes. */
  | {
      readonly kind: 'depends';
      readonly on: (numbers: Named<number | null>, attrs: A) => Exclude<Quant<A>, { kind: 'depends' }>;
    };

/** What changes when a network learns: other attributes, other inputs, statistics that flow back into weights. */
export interface Training {
  readonly attrs?: Readonly<Record<string, number>>;
  /** Input slots that become constants. */
  readonly inputs?: Readonly<Record<string, Tensor>>;
  /** Weight slot → output slot whose value replaces the weight after each step. */
  readonly state?: Readonly<Record<string, string>>;
  /** The attribute that says which share of a larger batch this one is, for ops that look at the batch as a whole. */
  readonly share?: string;
}

/** A form that an op had in older opsets: how to write it today, and today's form as it was written then. */
export interface History {
  /** The last opset in which this form was in force. */
  readonly until: number;
  /** The same computation in today's form; constants are made through `constant`. Left out where today's form understands this one. */
  readonly modern?: (node: HistoricNode, make: ModernMaker) => HistoricNode | null;
  /** Today's form (or that of the next entry) in this one, or in words what in the node cannot be said in it. */
  readonly old: (node: HistoricNode, make: FormMaker) => HistoricNode | string;
}

export interface HistoricNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs: Readonly<Record<string, import('../graph/model.ts').Attr>>;
}

/** What a change of form is made with. */
export interface FormMaker {
  /** Adds a constant and returns its name. */
  readonly constant: (wish: string, tensor: Tensor) => string;
  /** The value as a constant, if it is one. */
  readonly constantOf: (name: string) => Tensor | undefined;
  /** The elements of an integer value, if they are known. */
  readonly ints: (name: string) => readonly number[] | undefined;
  /** Rank of a value, if known. */
  readonly rank: (name: string) => number | undefined;
  readonly dims: (name: string) => readonly Dim[] | undefined;
  readonly dtype: (name: string) => DType | undefined;
}

export interface ModernMaker extends FormMaker {
  /** Puts a further node before this one. */
  readonly before: (node: HistoricNode) => void;
  /** Puts a further node behind this one. */
  readonly after: (node: HistoricNode) => void;
  readonly fresh: (wish: string) => string;
}

/* ---- attributes ---- */

export interface AttrSpec<T extends AttrValue | undefined = AttrValue | undefined> {
  readonly kind: 'int' | 'float' | 'string' | 'ints' | 'floats' | 'strings' | 'tensor' | 'graph';
  readonly fallback: T;
}

export type AttrSpecs = Readonly<Record<string, AttrSpec>>;
export type Attrs = Readonly<Record<string, AttrValue | undefined>>;
export type AttrsOf<S extends AttrSpecs> = { readonly [K in keyof S]: S[K]['fallback'] };

type Spec<T extends AttrValue> = { (): AttrSpec<T | undefined>; (fallback: T): AttrSpec<T> };
const spec = <T extends AttrValue>(kind: AttrSpec['kind']): Spec<T> =>
  ((fallback?: T) => ({ kind, fallback })) as Spec<T>;

/** An int attribute with its default; `int()` has none. */
export const int = spec<number>('int');
export const float = spec<number>('float');
export const text = spec<string>('string');
export const ints = spec<readonly number[]>('ints');
export const floatList = spec<readonly number[]>('floats');
export const textList = spec<readonly string[]>('strings');
export const tensorAttr = spec<Tensor>('tensor');
export const graphAttr = spec<Graph>('graph');

/* ---- slots ---- */

/** 'X' must be there, 'B?' may be left out, '...X' takes all that remain. */
export type SlotName<S extends string> = S extends `...${infer N}` ? N : S extends `${infer N}?` ? N : S;
type Variadic<S extends string> = S extends `...${infer N}` ? N : never;
type Optional<S extends string> = S extends `${infer N}?` ? N : never;
type Required<S extends string> = S extends `...${string}` ? never : S extends `${string}?` ? never : S;

/** Slots by name: T, T | undefined for optional ones, T[] for the variadic one. */
export type Slots<S extends string, T> = { readonly [N in Required<S>]: T } & {
  readonly [N in Optional<S>]: T | undefined;
} & {
  readonly [N in Variadic<S>]: readonly T[];
};

/** dX-style names of the slopes that reach an op, one per output (undefined where nothing flows back). */
type Slopes<O extends string> = { readonly [N in SlotName<O> as `d${N}`]: StaticValue };

type GradAnswer<S extends string> = { readonly [N in Exclude<SlotName<S>, Variadic<S>>]?: StaticValue | undefined } & {
  readonly [N in Variadic<S>]?: readonly (StaticValue | undefined)[];
};

/** How a row says how integers enter it. */
export type QuantSpec<S extends string, A extends AttrSpecs> =
  | 'passes'
  | 'own'
  | 'float'
  | Quant<AttrsOf<A>>
  | ((numbers: Slots<S, number | null>, attrs: AttrsOf<A>) => Exclude<Quant<AttrsOf<A>>, { kind: 'depends' }>);

export interface OpSpec<S extends string, O extends string, A extends AttrSpecs> {
  readonly type: string;
  /** Default '' (ai.onnx). */
  readonly domain?: string;
  /** The first ai.onnx opset that has the op, where that is later than the one rows are written in. */
  readonly since?: number;
  readonly inputs: readonly S[];
  /** Default ['Y']. */
  readonly outputs?: readonly O[];
  readonly attrs: A;
  /** Dimensions (and dtypes, and known integers) of the outputs. */
  readonly shape: (inputs: Slots<S, Value>, attrs: AttrsOf<A>, outputs: number, scope: Scope) => ShapeAnswer;
  /** Slopes of the inputs, as nodes; 'none' where the op is flat or discrete; 'missing' where nobody has written them yet. */
  readonly grad:
    | 'none'
    | 'missing'
    | ((
        values: Slots<S, StaticValue> & Slots<SlotName<O>, StaticValue> & Slopes<O>,
        attrs: AttrsOf<A>,
        g: Builder,
      ) => GradAnswer<S>);
  /** Which channels hang together; 'none' protects everything the op touches. */
  readonly couple:
    | 'none'
    | ((
        axes: Slots<S, readonly Axis[]> & Slots<SlotName<O>, readonly Axis[]>,
        attrs: AttrsOf<A>,
        values: Slots<S, Value>,
      ) => readonly Link[]);
  readonly cost:
    | 'none'
    | ((
        values: Slots<S, StaticValue> & Slots<SlotName<O>, StaticValue>,
        attrs: AttrsOf<A>,
        /** Ops with sub-graphs are asked whatever their own shapes are. */
        bodyCost: BodyCost,
      ) => Cost);
  /** The kind alone, the whole answer, or what it depends on. */
  readonly quant: QuantSpec<S, A>;
  /** Inputs on which the contract suite tries every answer above. */
  readonly samples: readonly Sample[];
  /** The same computation in smaller ops, or undefined to stay whole. */
  readonly decompose?: (
    values: Slots<S, StaticValue>,
    attrs: AttrsOf<A>,
    g: Builder,
  ) => readonly StaticValue[] | undefined;
  /** A slot whose bytes hold several numbers each, and how many those are; `size` is that of the bytes. */
  readonly packed?: {
    readonly slot: S extends `${infer Name}?` ? Name : S;
    readonly count: (size: number, attrs: AttrsOf<A>) => number;
  };
  /** Computes on integers: `decompose` puts a float op between DequantizeLinear and QuantizeLinear, and reads no dimension. */
  readonly isQuantized?: true;
  /** Floats rounded to integers that are held as floats: how a slope passes a rounding. */
  readonly rounded?: OpSpec<S, O, A>['decompose'];
  /** The same op where quantised integers are held as floats; without it, an op of integers is taken to mean the same on floats. */
  readonly held?: OpSpec<S, O, A>['decompose'];
  readonly training?: Training;
  readonly history?: readonly History[];
}

/** A row as the rooms see it, its slots' names erased. */
export interface Row {
  readonly type: string;
  readonly domain: string;
  readonly since?: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs: AttrSpecs;
  readonly shape: (inputs: Named<Value>, attrs: Attrs, outputs: number, scope: Scope) => ShapeAnswer;
  readonly grad: 'none' | 'missing' | ((values: Named<StaticValue>, attrs: Attrs, g: Builder) => Named<StaticValue>);
  readonly couple: 'none' | ((axes: Named<readonly Axis[]>, attrs: Attrs, values: Named<Value>) => readonly Link[]);
  readonly cost: 'none' | ((values: Named<StaticValue>, attrs: Attrs, bodyCost?: BodyCost) => Cost);
  readonly quant: Quant<Attrs>;
  readonly samples: readonly Sample[];
  readonly decompose?: Parts;
  readonly packed?: { readonly slot: string; readonly count: (size: number, attrs: Attrs) => number };
  readonly isQuantized?: true;
  readonly rounded?: Parts;
  readonly held?: Parts;
  readonly training?: Training;
  readonly history?: readonly History[];
}

/** Further nodes that stand for one, by its outputs; undefined where they cannot. */
export type Parts = (values: Named<StaticValue>, attrs: Attrs, g: Builder) => readonly StaticValue[] | undefined;

/** Values by slot: one, several for a variadic slot, undefined for one left out. */
export type Named<T> = Readonly<Record<string, T | readonly T[] | undefined>>;

/** Declares a row. The signature is written once and types every answer. */
export function op<const S extends string, const A extends AttrSpecs, const O extends string = 'Y'>(
  spec: OpSpec<S, O, A>,
): Row {
  const { quant, ...rest } = spec;
  return {
    ...rest,
    domain: spec.domain ?? '',
    outputs: spec.outputs ?? ['Y'],
    quant:
      typeof quant === 'string'
        ? { kind: quant }
        : typeof quant === 'function'
          ? { kind: 'depends', on: quant }
          : quant,
  } as unknown as Row;
}
