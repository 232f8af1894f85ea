import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomNetwork, type Step } from '../../test/contract/random-network.ts';
import { inMemory } from '../data/index.ts';
import { checkGraph } from '../graph/check.ts';
import { writeModel } from '../onnx/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { type CriterionName, criteria } from './criterion/index.ts';
import { explain } from './explain.ts';
import { solve } from './group.ts';
import { prune } from './prune.ts';
import { cubic, geometric, linear, pruneGradually } from './schedule.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const STEPS: Step[] = [
  [0, 4, 0],
  [1, 0, 0],
  [2, 0, 0],
  [4, 0, 1],
  [6, 0, 0],
  [13, 2, 0],
  [0, 4, 0],
  [2, 0, 0],
];
const model = randomNetwork(STEPS, 11);
const images = inMemory({
  name: 'waves',
  inputs: {
    x: { dtype: 'float32', dims: [3, 6, 6], data: Float32Array.from({ length: 8 * 108 }, (_, i) => Math.sin(i)) },
  },
  labels: { dtype: 'int64', dims: [], data: BigInt64Array.from([0n, 1n, 2n, 0n, 1n, 2n, 0n, 1n]) },
});

describe('prune', () => {
  for (const by of Object.keys(criteria) as CriterionName[]) {
    it(`keeps the budget and the proof by ${by}`, async () => {
      const { model: small, report } = await prune(model, { keep: { macs: 0.6 }, by, data: images }, { engine });
      checkGraph(small);
      expect(report.fault).toBeUndefined();
      expect(report.error).toBeLessThan(1e-4);
      expect(report.after.macs / report.before.macs).toBeLessThanOrEqual(0.6);
      expect(report.share).toBeCloseTo(report.after.macs / report.before.macs, 10);
    });
  }

  it('gives the same bytes for the same seed', async () => {
    const bytes = async (seed: number): Promise<string> => {
      const { model: small } = await prune(model, { keep: { macs: 0.6 }, by: 'random' }, { engine, seed });
      return Buffer.from(writeModel(small)).toString('base64');
    };
    expect(await bytes(1)).toBe(await bytes(1));
    expect(await bytes(1)).not.toBe(await bytes(2));
  });

  it('names what it protects and why', async () => {
    const { report } = await prune(model, { keep: { macs: 0.6 } }, { engine });
    expect(report.protected.map(({ why }) => why).sort()).toEqual(['a graph input', 'a graph output']);
  });

  it('reports an unknown criterion with the nearest name', async () => {
    await expect(prune(model, { keep: { macs: 0.5 }, by: 'tailor' as never }, { engine })).rejects.toMatchObject({
      code: 'option/unknown',
    });
  });
});

describe('schedules', () => {
  it('end at the final share and never rise', () => {
    for (const schedule of [linear, cubic, geometric]) {
      const shares = schedule(0.3, 5);
      expect(shares).toHaveLength(5);
      expect(shares.at(-1)).toBeCloseTo(0.3, 12);
      shares.reduce((before, share) => {
        expect(share).toBeLessThan(before);
        return share;
      }, 1);
    }
  });

  it('cubic follows Zhu and Gupta: half way, an eighth of the way is left', () => {
    expect(cubic(0.2, 2)[0]).toBeCloseTo(0.2 + 0.8 / 8, 12);
  });

  it('hands the model over between steps and reaches the share', async () => {
    const seen: number[] = [];
    const { report, steps } = await pruneGradually(
      model,
      {
        keep: { macs: 0.5 },
        steps: 3,
        after: async (now, { share }) => {
          seen.push(share);
          return now;
        },
      },
      { engine },
    );
    expect(steps).toHaveLength(3);
    expect(seen).toHaveLength(3);
    expect(seen[0]).toBeGreaterThan(seen[1]!);
    expect(report.isMet).toBe(true);
    expect(report.after.macs / report.before.macs).toBeLessThanOrEqual(0.5 + 1e-9);
  });
});

describe('explain', () => {
  it('numbers every place of a group and says what leads to it', () => {
    const solved = solve(model.graph);
    for (const group of solved.groups) {
      const lines = explain(solved, group, [0]);
      expect(lines).toHaveLength(group.places.length);
      expect(lines[0]).toMatch(/^1\. cutting .* at 0/);
      for (const [i, line] of lines.slice(1).entries())
        expect(line).toMatch(new RegExp(`^${i + 2}\\. cuts .* because of \\d+: `));
    }
  });
});
