/** Every loss and its slope equal PyTorch's (test/oracle/loss.py). */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { differentiate } from '../../grad/differentiate.ts';
import { expand, OWN_DOMAIN } from '../../grad/expand.ts';
import type { DType } from '../../graph/dtype.ts';
import { removeDead } from '../../graph/edit.ts';
import { floats, type Tensor, tensor } from '../../graph/tensor.ts';
import { draft } from '../../ops/builder.ts';
import { infer } from '../../ops/infer.ts';
import { type Engine, openEngine } from '../../runtime/index.ts';
import { engineBytes, withLoss, withStatedOutputs } from '../program.ts';
import { ctc, infoNce, type Loss, losses } from './index.ts';

interface Stored {
  readonly dims: readonly number[];
  readonly dtype?: DType;
  readonly data: readonly number[];
}
interface Row {
  readonly loss: string;
  readonly options: Record<string, unknown>;
  readonly dims: readonly number[];
  readonly output: readonly number[];
  readonly labels: Stored | null;
  readonly other: Stored | null;
  readonly value: number;
  readonly slope: readonly number[];
}
const rows = JSON.parse(readFileSync(new URL('../../../test/oracle/loss.json', import.meta.url), 'utf8')) as Row[];
const all: Readonly<Record<string, (options: never) => Loss>> = { ...losses, 'info-nce': infoNce, ctc };

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

describe.each(rows)('$loss $options', (row) => {
  it('has the value and the slope of PyTorch', async () => {
    const building = draft();
    const { g } = building;
    const x = g.input('x', 'float32', row.dims);
    if (row.other) g.input('other', 'float32', row.other.dims);
    const y = g.Mul(x, 1);
    const forward = building.finish([{ name: y.name }]);
    const { graph, lossName } = withLoss(forward, all[row.loss]!(row.options as never), row.dims[0]!);
    const { graph: joint, slopes } = differentiate(graph, lossName, ['x'], infer(graph));
    const outputs = [lossName, slopes.get('x')!].map((name) => ({ name }));
    const whole = removeDead({ ...joint, outputs });
    const ready = withStatedOutputs(removeDead(expand(whole, infer(whole), ({ domain }) => domain === OWN_DOMAIN)));
    using session = await engine.load(engineBytes(ready));
    const feeds: Record<string, Tensor> = { x: tensor('float32', row.dims, row.output) };
    const { labels, other } = row;
    if (labels) feeds['labels'] = tensor(labels.dtype ?? 'float32', labels.dims, labels.data);
    if (other) feeds['other'] = tensor('float32', other.dims, other.data);
    const answers = await session.run(feeds);
    expect(floats(answers[lossName]!)[0]).toBeCloseTo(row.value, 5);
    const slope = floats(answers[slopes.get('x')!]!);
    row.slope.forEach((expected, i) => {
      expect(slope[i]).toBeCloseTo(expected, 5);
    });
  });
});

it('tests every loss of the table', () => {
  expect(new Set(rows.map(({ loss }) => loss))).toEqual(new Set(Object.keys(all)));
});
