/** `pare prune`: whole channels removed, and everything that only they fed. */

import { PareError } from '../../src/base/error.ts';
import type { Keep } from '../../src/prune/choose.ts';
import { criteria } from '../../src/prune/criterion/index.ts';
import { number, oneOf, path, percent, required } from '../arg.ts';
import { finish, methodArgs, stopwatch } from '../finish.ts';
import { kebab } from '../parse.ts';
import { verb } from '../verb.ts';

const RANKS = { global: true, local: true, isomorphic: true } as const;

export const prune = verb({
  name: 'prune',
  about: 'Remove whole channels, and everything that only they fed.',
  example: 'pare prune resnet18.onnx --keep-macs 50% --by taylor --data imagenet/val --out small.onnx',
  takes: { model: required(path('The ONNX model to prune.')) },
  args: {
    keepMacs: percent('Share of the multiply-accumulates that may stay; 50% when no budget is given.'),
    keepParameters: percent('Share of the parameters that may stay.'),
    keepBytes: percent('Share of the bytes of weights that may stay.'),
    keepChannels: percent('Share of the channels that may stay.'),
    by: oneOf(criteria, 'How a channel earns its place.', 'l2'),
    rank: oneOf(RANKS, 'Who competes: all channels, each group alone, or groups of one structure.', 'global'),
    roundTo: number('Widths stay multiples of this; default: what this machine is fast with.', { min: 1, whole: true }),
    ...methodArgs,
  },
  async run({ model: file, by, rank, roundTo, maxDrop, report: page, ...budgets }, desk) {
    const { prune: pruneModel } = await import('../../src/prune/index.ts');
    const before = await desk.read(file);
    const sets = await desk.sets(before.model);
    const seconds = stopwatch();
    const { model, report } = await pruneModel(
      before.model,
      { keep: keepOf(budgets), by, rank, roundTo, data: sets?.train ?? sets?.evaluation },
      await desk.lab(),
    );
    const { groups, criterion, share, isMet, error, protected: protections, fault } = report;
    if (fault !== undefined) desk.note(`nothing was cut: ${fault}`);
    return finish(desk, {
      before,
      model,
      tag: 'pruned',
      evaluation: sets?.evaluation,
      maxDrop,
      report: page,
      seconds: seconds(),
      result: {
        groups,
        criterion,
        share,
        isMet,
        error,
        protected: protections.map(({ why, where }) => ({ where, why })),
      },
      shown: [
        {
          kind: 'table',
          columns: [{ title: 'group', align: 'left' }, { title: 'kept' }, { title: 'of' }],
          rows: groups.map(({ name, kept, all }) => [name, `${kept}`, `${all}`]),
        },
      ],
    });
  },
});

type Budgets = Readonly<Record<'keepMacs' | 'keepParameters' | 'keepBytes' | 'keepChannels', number | undefined>>;

/** The one budget that was given. */
function keepOf({ keepMacs, keepParameters, keepBytes, keepChannels }: Budgets): Keep {
  const all = { keepMacs, keepParameters, keepBytes, keepChannels };
  const given = Object.entries(all).filter(([, share]) => share !== undefined);
  if (given.length > 1) {
    throw new PareError('usage/conflict', 'Pruning has one budget at a time.', {
      expected: 'one flag',
      got: given.map(([name]) => `--${kebab(name)}`).join(', '),
    });
  }
  if (keepParameters !== undefined) return { parameters: keepParameters };
  if (keepBytes !== undefined) return { bytes: keepBytes };
  if (keepChannels !== undefined) return { channels: keepChannels };
  return { macs: keepMacs ?? 0.5 };
}
