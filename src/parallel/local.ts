/** A group of ranks inside one process, for work whose parts take turns at JavaScript (and run at once in the engine). */

import { internal } from '../base/error.ts';
import { blockOf, type Collective, mismatch, type Reduction } from './collective.ts';

/** One rank's call, waiting for the others. */
interface Arrival {
  readonly what: string;
  readonly values: Float32Array;
  readonly into: Float32Array;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A collective that some ranks have come to. */
interface Meeting {
  readonly arrivals: (Arrival | undefined)[];
  count: number;
}

const NOTHING = new Float32Array(0);

/**
 * `size` collectives that belong together; rank i is the i-th.
 *
 * Sums run in the order of the ranks: ((v₀ + v₁) + v₂) + …, each rounded to float32.
 */
export function localGroup(size: number): Collective[] {
  const meetings = new Map<number, Meeting>();
  const mail = new Map<string, { messages: Float32Array[]; waiting: ((message: Float32Array) => void)[] }>();

  const meet = (
    rank: number,
    turn: number,
    what: string,
    values: Float32Array,
    act: (all: Float32Array[], into: Float32Array[]) => void,
    into = values,
  ) =>
    new Promise<void>((resolve, reject) => {
      const meeting: Meeting = meetings.get(turn) ?? { arrivals: new Array(size).fill(undefined), count: 0 };
      meetings.set(turn, meeting);
      meeting.arrivals[rank] = { what, values, into, resolve, reject };
      if (++meeting.count < size) return;
      meetings.delete(turn);
      const arrivals = meeting.arrivals as Arrival[];
      const asked = (a: Arrival): string => `${a.what} of ${a.values.length}`;
      const other = arrivals.find((a) => asked(a) !== asked(arrivals[0]!));
      if (other) {
        for (const each of arrivals) each.reject(mismatch('the next collective', asked(arrivals[0]!), asked(other)));
        return;
      }
      act(
        arrivals.map((a) => a.values),
        arrivals.map((a) => a.into),
      );
      for (const each of arrivals) each.resolve();
    });
  /** Groups made by splitting, by turn and colour. */
  const children = new Map<string, Collective[]>();
  const box = (from: number, to: number, tag: number) => {
    const key = `${from}>${to}:${tag}`;
    if (!mail.has(key)) mail.set(key, { messages: [], waiting: [] });
    return mail.get(key)!;
  };

  return Array.from({ length: size }, (_, rank): Collective => {
    let turn = 0;
    return {
      kind: 'local',
      rank,
      size,
      allReduce: (values, by = 'sum') =>
        meet(rank, turn++, `allReduce ${by}`, values, (all) => {
          reduce(all, all[0]!, 0, values.length, by);
          for (const each of all.slice(1)) each.set(all[0]!);
        }),
      reduceScatter: (values, by = 'sum') =>
        meet(rank, turn++, `reduceScatter ${by}`, values, (all) =>
          all.forEach((each, r) => {
            reduce(all, each, ...blockOf(values.length, size, r), by);
          }),
        ),
      allGather: (values) =>
        meet(rank, turn++, 'allGather', values, (all) =>
          all.forEach((each, r) => {
            const [from, to] = blockOf(values.length, size, r);
            for (const other of all) if (other !== each) other.set(each.subarray(from, to), from);
          }),
        ),
      allToAll: (values, into) =>
        meet(
          rank,
          turn++,
          'allToAll',
          values,
          (all, theirs) => {
            const block = values.length / size;
            for (const [to, each] of theirs.entries())
              for (const [from, sent] of all.entries())
                each.set(sent.subarray(to * block, (to + 1) * block), from * block);
          },
          into,
        ),
      broadcast: (values, root = 0) =>
        meet(rank, turn++, `broadcast from ${root}`, values, (all) => {
          for (const each of all) if (each !== all[root]) each.set(all[root]!);
        }),
      barrier: () => meet(rank, turn++, 'barrier', NOTHING, () => undefined),
      async send(values, to, tag = 0) {
        const { messages, waiting } = box(rank, to, tag);
        const receiver = waiting.shift();
        if (receiver) receiver(values);
        else messages.push(values.slice());
      },
      async receive(values, from, tag = 0) {
        const { messages, waiting } = box(from, rank, tag);
        const message = messages.shift();
        const take = (sent: Float32Array): void => {
          if (sent.length !== values.length) throw mismatch('a message', `${values.length} numbers`, `${sent.length}`);
          values.set(sent);
        };
        if (message) return take(message);
        await new Promise<void>((resolve, reject) =>
          waiting.push((sent) => {
            try {
              resolve(take(sent));
            } catch (error) {
              reject(error);
            }
          }),
        );
      },
      async split(color) {
        const colors = new Float32Array(size);
        colors[rank] = color;
        const now = turn;
        await this.allReduce(colors);
        const members = [...colors.keys()].filter((r) => colors[r] === color);
        const key = `${now} ${color}`;
        const group = children.get(key) ?? localGroup(members.length);
        children.set(key, group);
        return group[members.indexOf(rank)]!;
      },
      end: async () => undefined,
      abort: (status) => {
        throw internal(`a rank of a local group aborted with ${status ?? 1}`);
      },
    };
  });
}

/** Numbers that are added up at a time: a stretch that stays in the cache while the ranks' are streamed past it. */
const STRETCH = 4096;

/** into[from … to) := Σ or mean of all[r][from … to), in the order of the ranks. `into` may be one of them. */
function reduce(all: readonly Float32Array[], into: Float32Array, from: number, to: number, by: Reduction): void {
  const sum = new Float32Array(Math.min(STRETCH, to - from));
  for (let at = from; at < to; at += STRETCH) {
    const count = Math.min(STRETCH, to - at);
    sum.set(all[0]!.subarray(at, at + count));
    for (const values of all.slice(1)) for (let i = 0; i < count; i++) sum[i] = sum[i]! + values[at + i]!;
    if (by === 'mean') for (let i = 0; i < count; i++) sum[i] = sum[i]! / all.length;
    into.set(count === sum.length ? sum : sum.subarray(0, count), at);
  }
}
