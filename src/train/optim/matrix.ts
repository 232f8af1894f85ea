/**
 * The part of an optimiser that sees a parameter as a matrix: products and row sums, which the engine works out.
 *
 * Element-wise rules are compiled to one pass over memory (`kernel.ts`); what needs matrix products is a small graph per shape, run
 * between two such passes on the update where it lies.
 */

import { PareError } from '../../base/error.ts';
import { elements, sizeOf, type Tensor, tensor, zeros } from '../../graph/tensor.ts';
import { type Builder, draft } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import type { Binding, Lab, Session } from '../../runtime/index.ts';
import { engineBytes, withStatedOutputs } from '../program.ts';
import type { Arena, Placement } from './arena.ts';
import type { ParameterGroup } from './execute.ts';

/** State of a matrix: its dimensions and what it begins with; `identity` is a square matrix with ones on its diagonal. */
export interface MatrixState {
  readonly dims: readonly number[];
  readonly start: number | 'identity';
}

export interface MatrixRule {
  /** Whether vectors count too, as matrices of one row. Default false: they keep their update. */
  readonly vectors?: boolean;
  /** What is kept for each matrix of this shape. */
  readonly state: (rows: number, columns: number) => Readonly<Record<string, MatrixState>>;
  /** Steps on which the costly part is worked out again; all when left out. */
  readonly isFresh?: (t: number) => boolean;
  /**
   * New update and state from the old: `u` [rows, columns], `t` [] the number of the step, and the state's own names. What is left out
   * stays as it was.
   */
  readonly body: (
    g: Builder,
    values: Readonly<Record<string, StaticValue>>,
    isFresh: boolean,
  ) => Readonly<Record<string, StaticValue>>;
}

/** A matrix rule at work on an arena. */
export interface RunningMatrices {
  /** Works the updates in `g` out anew. */
  step(t: number): Promise<void>;
  /** State name → parameter → numbers: memory, not copies. */
  readonly tensors: Readonly<Record<string, Record<string, Float32Array>>>;
}

/**
 * A parameter as a matrix: the first axis against all others, as convolutions and dense layers have their outputs there; recurrent
 * weights [directions, gates · H, …] join their first two.
 */
export function matrixDims(dims: readonly number[]): readonly [rows: number, columns: number] {
  if (dims.length < 2) return [1, sizeOf(dims)];
  const outputs = dims.length > 2 && dims[0]! <= 2 ? dims[0]! * dims[1]! : dims[0]!;
  return [outputs, sizeOf(dims) / outputs];
}

/** Whether a parameter is a matrix to a rule: two axes or more, neither of length 1, in a group that says nothing against it. */
export const isMatrix = ({ dims = [] }: Pick<Placement, 'dims'>, group: ParameterGroup | undefined): boolean =>
  dims.length > 1 && Math.min(...matrixDims(dims)) > 1 && (group?.trust ?? true);

interface Work {
  readonly binding: Binding;
  /** New values, and where they belong. */
  readonly results: readonly (readonly [from: Float32Array, to: Float32Array])[];
}

/** Lays out the state of all matrices; sessions are loaded at the first step. */
export function startMatrices(
  id: string,
  rule: MatrixRule,
  arena: Arena,
  groups: readonly ParameterGroup[],
  lab: Lab | undefined,
): RunningMatrices {
  const chosen = arena.parameters.filter((parameter) => {
    const group = groups.find((each) => each.match(parameter.name));
    return !group?.frozen && parameter.length > 0 && (rule.vectors || isMatrix(parameter, group));
  });
  const shapeOf = ({ dims, length }: Placement): readonly [number, number] => matrixDims(dims ?? [length]);
  const state = new Map<string, Record<string, Tensor>>();
  const tensors: Record<string, Record<string, Float32Array>> = {};
  for (const parameter of chosen) {
    const own = Object.entries(rule.state(...shapeOf(parameter))).map(([slot, spec]) => [slot, begun(spec)] as const);
    state.set(parameter.name, Object.fromEntries(own));
    for (const [slot, t] of own) {
      const name = `${id}.${slot}`;
      tensors[name] = { ...tensors[name], [parameter.name]: elements(t) as Float32Array };
    }
  }
  const clock = zeros('float32', []);
  const sessions = new Map<string, Promise<Session>>();
  const works = new Map<boolean, Promise<readonly Work[]>>();

  const open = async (isFresh: boolean): Promise<readonly Work[]> => {
    if (!lab) {
      throw new PareError('optim/engine', `The optimiser "${id}" needs an engine for its matrix products.`, {
        hint: 'start(arena, { lab })',
      });
    }
    return Promise.all(
      chosen.map(async (parameter) => {
        const [rows, columns] = shapeOf(parameter);
        const key = `${rows} ${columns} ${isFresh}`;
        const loaded = sessions.get(key) ?? load(rule, rows, columns, isFresh, lab);
        sessions.set(key, loaded);
        const session = await loaded;
        const given: Record<string, Tensor> = {
          u: tensor('float32', [rows, columns], arena.view('g', parameter.name)),
          t: clock,
          ...state.get(parameter.name),
        };
        const made = session.outputs.map(
          ({ name }) => [name, zeros('float32', given[name.slice(0, -4)]!.dims)] as const,
        );
        const feeds = Object.fromEntries(session.inputs.map(({ name }) => [name, given[name]!]));
        return {
          binding: session.bind(feeds, Object.fromEntries(made)),
          results: made.map(
            ([name, t]) => [elements(t) as Float32Array, elements(given[name.slice(0, -4)]!) as Float32Array] as const,
          ),
        };
      }),
    );
  };
  return {
    tensors,
    async step(t) {
      const isFresh = rule.isFresh?.(t) ?? true;
      const opened = works.get(isFresh) ?? open(isFresh);
      works.set(isFresh, opened);
      (elements(clock) as Float32Array)[0] = t;
      for (const { binding, results } of await opened) {
        if (binding.runSync) binding.runSync();
        else await binding.run();
        for (const [from, to] of results) to.set(from);
      }
    },
  };
}

function begun({ dims, start }: MatrixState): Tensor {
  const t = zeros('float32', dims);
  const values = elements(t) as Float32Array;
  if (start !== 'identity') values.fill(start);
  else for (let i = 0; i < dims[0]!; i++) values[i * (dims[0]! + 1)] = 1;
  return t;
}

/** The rule's graph for one shape: inputs by name, outputs `NAME_new`. */
function load(rule: MatrixRule, rows: number, columns: number, isFresh: boolean, lab: Lab): Promise<Session> {
  const building = draft<StaticValue>();
  const { g } = building;
  const dims = { u: [rows, columns], t: [] as number[] };
  const states = Object.entries(rule.state(rows, columns)).map(([name, spec]) => [name, spec.dims] as const);
  const values = Object.fromEntries(
    [...Object.entries(dims), ...states].map(([name, shape]) => [name, g.input(name, 'float32', shape)]),
  );
  const outputs = Object.entries(rule.body(g as Builder, values, isFresh)).map(
    ([name, value]) => g.emit('Identity', [value], {}, { names: [`${name}_new`] })[0]!,
  );
  const graph = building.finish(outputs.map(({ name }) => ({ name })));
  const read = new Set(graph.nodes.flatMap((node) => node.inputs));
  const inputs = graph.inputs.filter(({ name }) => read.has(name));
  return lab.engine.load(engineBytes(withStatedOutputs({ ...graph, inputs })), {
    ...(lab.threads && { threads: lab.threads }),
  });
}
