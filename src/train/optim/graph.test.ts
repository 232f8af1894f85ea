/** Twenty steps of every optimiser as a graph, beside the same steps as kernels. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PareError } from '../../base/error.ts';
import { random } from '../../base/random.ts';
import { floats, sizeOf, type Tensor, tensor } from '../../graph/tensor.ts';
import { draft } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import { type Engine, openEngine, type Session } from '../../runtime/index.ts';
import { engineBytes, withStatedOutputs } from '../program.ts';
import { type Arena, createArena } from './arena.ts';
import { runsOf } from './execute.ts';
import { appendMove, type GraphMove } from './graph.ts';
import {
  chain,
  clipAdaptively,
  clipByNorm,
  clipByValue,
  ema,
  lookahead,
  type Optimizer,
  optimizers,
  type ParameterGroup,
  rule,
  sam,
  scheduled,
  sgd,
  swa,
  uniform,
} from './index.ts';
import type { PendingMove } from './running.ts';

const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'conv.weight': [4, 3, 3, 3],
  'conv.bias': [4],
  'fc.weight': [6, 8],
  temperature: [],
};
const GROUPS: readonly ParameterGroup[] = [
  { match: (name) => name.endsWith('bias'), decay: 0, trust: false },
  { match: (name) => name.startsWith('fc'), lr: 0.5 },
];

const rows: Record<string, () => Optimizer> = {
  ...optimizers,
  'sgd, Nesterov': () => sgd({ momentum: 0.9, nesterov: true, decay: 0.01 }),
  'adam, AMSGrad': () => optimizers.adam({ amsgrad: true, decay: 0.1 }),
  'rmsprop, everything': () => optimizers.rmsprop({ centered: true, momentum: 0.5, firstMoment: 0.5, decay: 0.1 }),
  'schedule-free, decayed': () => optimizers['schedule-free']({ decay: 0.1 }),
  'clipped, averaged adamw': () => ema(chain(clipByNorm(0.5), optimizers.adamw({ decay: 0.1 }))),
  'clipped by value': () => chain(clipByValue(0.5), sgd({ lr: 0.1 })),
  'clipped, looking ahead lamb': () => lookahead(chain(clipAdaptively(), optimizers.lamb({ decay: 0.1 })), { k: 4 }),
  'averaged sgd': () => swa(sgd({ lr: 0.1, momentum: 0.9 }), { from: 5, every: 2 }),
  'sharpness-aware': () => sam(sgd({ lr: 0.1, momentum: 0.9 })),
  'on a schedule': () => scheduled(optimizers.adam(), (lr) => (step) => lr / (1 + step)),
};

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const fill = (arena: Arena, slot: string, about: string): void => {
  const source = random(3, about);
  for (const { name, length } of arena.parameters) {
    const view = arena.view(slot, name);
    for (let i = 0; i < length; i++) view[i] = source.normal();
  }
};

/** An optimiser begun on its own arena. */
const begin = (optimizer: Optimizer, groups: readonly ParameterGroup[]) => {
  const specs = Object.entries(SHAPES).map(([name, dims]) => ({ name, length: sizeOf(dims), dims }));
  const arena = createArena(specs, { slots: optimizer.slots });
  fill(arena, 'w', 'weights');
  return { arena, groups, running: optimizer.start(arena, { groups, lab: { engine } }) };
};
type Begun = ReturnType<typeof begin>;

interface Loaded {
  readonly session: Session;
  readonly move: GraphMove;
  readonly reads: ReadonlyMap<string, readonly [slot: string, parameter: string]>;
}

/** A move as a graph of its own. */
async function load({ arena, groups, running }: Begun, parts: PendingMove['parts']): Promise<Loaded> {
  const building = draft<StaticValue>();
  const { g } = building;
  const reads = new Map<string, readonly [string, string]>();
  const { tensors } = running.state();
  const inputs = new Map<string, StaticValue>();
  const read = (slot: string, parameter: string): StaticValue => {
    const name = `${slot}/${parameter}`;
    const length = tensors[slot]?.[parameter]?.length ?? 0;
    const dims = arena.slots.includes(slot) ? SHAPES[parameter]! : [length];
    const value = inputs.get(name) ?? g.input(name, 'float32', dims);
    inputs.set(name, value);
    reads.set(name, [slot, parameter]);
    return value;
  };
  const parameters = runsOf(arena, groups).apart.map((run) => ({
    run: { ...run, parameter: run.parameter! },
    dims: SHAPES[run.parameter!]!,
  }));
  const move = appendMove(g, parts, parameters, read);
  const outputs = [...move.results].flatMap(([slot, own]) =>
    [...own].map(([parameter, value]) => g.emit('Identity', [value], {}, { names: [`new ${slot}/${parameter}`] })[0]!),
  );
  const graph = building.finish(outputs.map(({ name }) => ({ name })));
  return { session: await engine.load(engineBytes(withStatedOutputs(graph)), { optimize: 'none' }), move, reads };
}

/** Makes a move by its graph. */
async function carryOut(begun: Begun, pending: PendingMove, loaded: Map<string, Loaded>): Promise<void> {
  const { session, move, reads } = loaded.get(pending.key) ?? (await load(begun, pending.parts));
  loaded.set(pending.key, { session, move, reads });
  const { tensors } = begun.running.state();
  const memory = (slot: string, parameter: string): Float32Array =>
    begun.arena.slots.includes(slot) ? begun.arena.view(slot, parameter) : tensors[slot]![parameter]!;
  const feeds: Record<string, Tensor> = {};
  for (const { name, dims = [] } of session.inputs) {
    const place = reads.get(name);
    if (place) feeds[name] = tensor('float32', dims, memory(...place));
  }
  if (move.input) feeds[move.input.name] = tensor('float32', [move.input.count], move.at(pending.numbers));
  const results = await session.run(feeds);
  for (const [slot, own] of move.results)
    for (const parameter of own.keys()) memory(slot, parameter).set(floats(results[`new ${slot}/${parameter}`]!));
  pending.made();
}

/** The largest difference of all that is kept, relative to the larger of 1 and the number itself. */
function furthest(a: Begun, b: Begun): number {
  const pairs: (readonly [Float32Array, Float32Array])[] = a.arena.parameters.map(({ name }) => [
    a.arena.view('w', name),
    b.arena.view('w', name),
  ]);
  const [state, other] = [a.running.state(), b.running.state()];
  expect(other.t).toBe(state.t);
  expect(other.scalars).toEqual(state.scalars);
  for (const [slot, own] of Object.entries(state.tensors))
    for (const [name, values] of Object.entries(own)) pairs.push([values, other.tensors[slot]![name]!]);
  let worst = 0;
  for (const [x, y] of pairs)
    x.forEach((value, i) => {
      worst = Math.max(worst, Math.abs(value - y[i]!) / Math.max(1, Math.abs(value)));
    });
  return worst;
}

describe('an optimiser as a graph', () => {
  for (const [name, make] of Object.entries(rows)) {
    for (const groups of [[], GROUPS]) {
      it(`${name}${groups.length > 0 ? ', with groups,' : ''} makes the steps of its kernels`, async () => {
        const [memory, device] = [begin(make(), groups), begin(make(), groups)];
        const loaded = new Map<string, Loaded>();
        for (let t = 1; t <= 20; t++) {
          for (const { arena } of [memory, device]) fill(arena, 'g', `step ${t}`);
          if (memory.running.probe()) {
            await carryOut(device, device.running.move('probe')!, loaded);
            for (const { arena } of [memory, device]) fill(arena, 'g', `second look ${t}`);
          }
          await memory.running.step();
          await carryOut(device, device.running.move('step')!, loaded);
        }
        for (const { session } of loaded.values()) session[Symbol.dispose]();
        const worst = furthest(memory, device);
        if (process.env['PARE_SHOW']) console.log(`${name}: ${worst.toExponential(1)}`);
        expect(worst).toBeLessThan(1e-6);
      });
    }
  }

  it('leaves frozen parameters out', async () => {
    const groups: readonly ParameterGroup[] = [{ match: (name) => name.startsWith('conv'), frozen: true }];
    const begun = begin(sgd(), groups);
    fill(begun.arena, 'g', 'step');
    const { session, reads } = await load(begun, begun.running.move('step')!.parts);
    session[Symbol.dispose]();
    expect([...reads.keys()].filter((name) => name.includes('conv'))).toEqual([]);
  });

  it('refuses state for all weights that depends on a norm', async () => {
    const own = rule('normed', { total: uniform(0) }, (e, { u, total }) => ({
      u: e.mul(-0.1, u),
      total: e.add(total, e.sumAll(e.square(u))),
    }));
    const begun = begin(chain(own), []);
    const refused = await load(begun, begun.running.move('step')!.parts).catch((thrown: unknown) => thrown);
    expect(refused).toBeInstanceOf(PareError);
    expect(refused).toMatchObject({ code: 'optim/device', detail: { where: 'normed.total' } });
  });
});
