/** `pare plan`: what more ranks would bring, before they are there. */

import { PareError } from '../../src/base/error.ts';
import { showBytes, showMs } from '../../src/base/unit.ts';
import type { Plan } from '../../src/parallel/plan.ts';
import { number, path, required, text } from '../arg.ts';
import { verb } from '../verb.ts';

export const plan = verb({
  name: 'plan',
  about: 'Predict step time, memory and efficiency of data, pipeline and tensor parallel training on more ranks.',
  example: 'pare plan resnet18.onnx --batch 256 --ranks 1..1024 --link 10Gb',
  takes: { model: required(path('The ONNX model that would be trained.')) },
  args: {
    ranks: text('How many ranks: a number, a list (2,4,8), or a range (1..1024: its powers of two).', '1..64'),
    link: text('Speed of the network between ranks: 10Gb, 100Mb (bits a second).', '10Gb'),
    latency: number('Of one message, in microseconds.', { min: 0 }, 50),
    batch: number('Samples per step, of all ranks together.', { min: 1, whole: true }, 64),
  },
  async run({ model: file, ranks, link, latency, batch }, desk) {
    const { measurePlan, planParallel } = await import('../../src/parallel/index.ts');
    const { costOfAny } = await import('../../src/report/index.ts');
    const speed = { latencyUs: latency, gigabitsPerSecond: gigabits(link) };
    const counts = countsOf(ranks);
    const { model } = await desk.read(file);
    const { dearestShare, ...measured } = await measurePlan(
      model,
      { batch, samples: openDims(model, { ...costOfAny(model, desk.dims).lengths, ...desk.dims }) },
      await desk.lab(),
    );
    const input = { ...measured, ...(dearestShare && { dearestShare }), link: speed };
    const plans = counts.flatMap((count) => {
      if (count > batch * 64) return [];
      try {
        return [{ ranks: count, best: planParallel(input, count)[0]!, all: planParallel(input, count).slice(0, KEPT) }];
      } catch (thrown) {
        if (thrown instanceof PareError && thrown.code === 'parallel/plan') desk.note(thrown.message);
        else throw thrown;
        return [];
      }
    });
    return {
      result: { file, batch, link: speed, measured, plans },
      shown: [
        {
          kind: 'table',
          columns: COLUMNS,
          rows: plans.map(({ best }) => rowOf(best)),
        },
        {
          kind: 'text',
          text: 'Predicted from steps measured here and an alpha-beta model of the messages; ranks are taken to be as fast as this machine.',
        },
      ],
    };
  },
});

/** Ways told for each number of ranks. */
const KEPT = 5;

const COLUMNS = [
  { title: 'ranks', align: 'right' },
  { title: 'copies × stages × split' },
  { title: 'step', align: 'right' },
  { title: 'messages', align: 'right' },
  { title: 'samples/s', align: 'right' },
  { title: 'efficiency', align: 'right' },
  { title: 'memory a rank', align: 'right' },
] as const;

const rowOf = (plan: Plan): string[] => [
  `${plan.ranks}`,
  `${plan.replicas} × ${plan.stages} × ${plan.tensor}`,
  showMs(plan.stepMs),
  showMs(plan.messagesMs),
  plan.samplesPerSecond.toFixed(0),
  `${(plan.efficiency * 100).toFixed(0)} %`,
  showBytes(plan.bytesPerRank),
];

/** "10Gb" → 10. */
function gigabits(word: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)\s*([GMT])b(?:\/?s|ps)?$/.exec(word) ?? [];
  if (amount === undefined || !(Number(amount) > 0))
    throw new PareError('usage/value', `--link takes a speed such as 10Gb or 100Mb, not "${word}".`, {
      where: '--link',
      got: word,
    });
  return Number(amount) * { M: 1e-3, G: 1, T: 1e3 }[unit as 'M' | 'G' | 'T'];
}

/** "1..8" → 1, 2, 4, 8; "2,6" → 2, 6. */
function countsOf(word: string): number[] {
  const [, from, to] = /^(\d+)\.\.(\d+)$/.exec(word) ?? [];
  const list = from === undefined ? word.split(',').map(Number) : doubling(Number(from), Number(to));
  if (list.length > 0 && list.every((count) => Number.isInteger(count) && count > 0)) return list;
  throw new PareError('usage/value', `--ranks takes a number, a list or a range such as 1..1024, not "${word}".`, {
    where: '--ranks',
    got: word,
  });
}

function doubling(from: number, to: number): number[] {
  const counts = [];
  for (let count = from; count > 0 && count <= to; count *= 2) counts.push(count);
  return counts;
}

/** Lengths of a sample's open axes, by input, where `--dim` gives them. */
function openDims(
  { graph }: { readonly graph: import('../../src/graph/model.ts').Graph },
  dims: Readonly<Record<string, number>>,
): Record<string, number[]> {
  return Object.fromEntries(
    graph.inputs.flatMap(({ name, type }) => {
      if (type?.kind !== 'tensor' || !type.dims) return [];
      const sizes = type.dims.slice(1).map((dim) => (typeof dim === 'number' ? dim : (dims[`${dim}`] ?? 1)));
      return [[name, sizes]];
    }),
  );
}
