/** Every form an op had: what a row says today, written in it, computes the same, and so does what is read from it again. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { numbers } from '../../src/graph/tensor.ts';
import { FORMS } from '../../src/ops/forms.ts';
import { ops } from '../../src/ops/index.ts';
import { MODERN_OPSET, modernize } from '../../src/ops/modern.ts';
import type { Row } from '../../src/ops/op.ts';
import { inOwnOpset } from '../../src/ops/own-opset.ts';
import { irOf } from '../../src/ops/version.ts';
import { type Engine, openEngine } from '../../src/runtime/index.ts';
import { run } from '../run.ts';
import { sampleModel, show } from './sample-model.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

/** The opsets with which a form of this op ends or begins, 7 included. */
function turningPoints({ type, history = [] }: Row): number[] {
  const begins = FORMS[type]!.split('|').map((form) => Number.parseInt(form, 10));
  const ends = history.flatMap(({ until }) => [until, until + 1]);
  return [...new Set([7, ...begins, ...ends])]
    .filter((opset) => opset >= 7 && opset < MODERN_OPSET)
    .sort((a, b) => a - b);
}

const table = [...ops.values()].filter(({ domain, type, since = 0 }) => domain === '' && FORMS[type] && since <= 21);

for (const row of table) {
  row.samples.forEach((sample) => {
    describe(`${row.type} ${show(sample)}`, () => {
      it('means the same in every opset that can say it', async ({ skip }) => {
        const { model, feeds, outputs } = sampleModel(row, sample);
        const want = await run(engine, model, feeds);
        let tried = 0;
        for (const opset of turningPoints(row)) {
          const { model: older, raised } = inOwnOpset({ ...model, own: { opset, ir: irOf(opset) } });
          expect(older.opsets['']).toBe(raised?.to ?? opset);
          if (raised) continue;
          const again = modernize(older);
          expect([again.opsets[''], again.own]).toEqual([MODERN_OPSET, { opset, ir: older.ir }]);
          for (const [how, one] of Object.entries({ older, again })) {
            const got = await run(engine, one, feeds);
            for (const name of outputs) {
              expect(got[name]!.dims, `${how} ${opset}`).toEqual(want[name]!.dims);
              numbers(want[name]!).forEach((x, i) => {
                const y = numbers(got[name]!)[i]!;
                expect(Math.abs(x - y), `${how}, opset ${opset}, ${name}[${i}]: ${x}, ${y}`).toBeLessThanOrEqual(
                  1e-5 * Math.max(1, Math.abs(x)),
                );
              });
            }
          }
          tried++;
        }
        if (tried === 0) skip('no opset below 21 can say it');
      });
    });
  });
}
