/** `pare compress`: the same answers from fewer nodes and multiplications. */

import { rules } from '../../src/rewrite/rules/index.ts';
import { many, number, oneOf, path, required } from '../arg.ts';
import { finish, methodArgs, stopwatch } from '../finish.ts';
import { verb } from '../verb.ts';

export const compress = verb({
  name: 'compress',
  about: 'Fold and merge layers: the same answers from fewer nodes, each rule checked by running the model.',
  example: 'pare compress resnet18.onnx --out lean.onnx',
  takes: { model: required(path('The ONNX model to rewrite.')) },
  args: {
    rule: many(oneOf(rules, 'A rule to apply; may be repeated. Default: all that never add arithmetic.')),
    tolerance: number('Largest relative difference of an output.', { min: 0, max: 1 }, 1e-4),
    ...methodArgs,
  },
  async run({ model: file, rule, tolerance, maxDrop, report: page }, desk) {
    const { rewriteChecked } = await import('../../src/rewrite/index.ts');
    const { runsOn } = await import('../../src/report/runs-on.ts');
    const before = await desk.read(file);
    const sets = await desk.sets(before.model);
    const lab = await desk.lab();
    const seconds = stopwatch();
    const { model, report, reverted, relativeError } = await rewriteChecked(
      before.model,
      { run: runsOn(before.model, lab, { data: sets?.evaluation, dims: desk.dims }), tolerance },
      ...(rule.length ? [rule] : []),
    );
    for (const { rule: name, relativeError: error } of reverted) {
      desk.note(`${name} was taken back: it moved an output by ${error.toExponential(1)}`);
    }
    return finish(desk, {
      before,
      model,
      tag: 'lean',
      evaluation: sets?.evaluation,
      maxDrop,
      report: page,
      seconds: seconds(),
      result: { rewrites: report.fired, held: report.missed, reverted, relativeError },
      shown: [
        {
          kind: 'table',
          columns: [{ title: 'rule', align: 'left' }, { title: 'times' }, { title: 'for instance', align: 'left' }],
          rows: tally(report.fired),
        },
        { kind: 'text', text: `outputs moved by at most ${relativeError.toExponential(1)} of their largest` },
      ],
    });
  },
});

function tally(fired: readonly { rule: string; node: string; why: string }[]): string[][] {
  const rows = new Map<string, { count: number; first: string }>();
  for (const { rule, node, why } of fired) {
    const row = rows.get(rule);
    rows.set(rule, { count: (row?.count ?? 0) + 1, first: row?.first ?? `${node}: ${why}` });
  }
  return [...rows].map(([rule, { count, first }]) => [rule, `${count}`, first]);
}
