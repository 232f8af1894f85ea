import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GLYPHS } from '../src/data/index.ts';
import { conv2d, dense, flatten, relu, sequential } from '../src/nn/index.ts';
import { writeModel } from '../src/onnx/index.ts';
import { pare, type Said } from '../test/pare.ts';

let folder = '';
const at = (name: string): string => join(folder, name);

interface Trained {
  readonly epochs: { loss: number; metric: { name: string; value: number }; samplesPerSecond: number }[];
  readonly metric: { name: string; value: number };
  readonly out: string;
  readonly choice?: string;
  readonly range?: { points: unknown[] };
  readonly notes: string[];
  readonly parallel?: { shares: number[] };
}

/** What the words in capitals stand for: models, and data with the flags that go with it. */
const WORDS: Readonly<Record<string, () => string[]>> = {
  NET: () => [at('net.json')],
  MLP: () => [at('mlp.onnx')],
  CNN: () => [at('cnn.onnx')],
  THREE: () => [at('three.onnx')],
  VIEWS: () => [at('views.onnx')],
  KINDS: () => ['--data', at('kinds.csv'), '--label', 'kind'],
  SIZES: () => ['--data', at('sizes.csv'), '--label', 'size'],
  PLAIN: () => ['--data', at('plain.csv')],
  GLYPHS: () => ['--data', 'glyphs'],
};
const isFile = (word: string): boolean => /\.(onnx|svg)$|^run\//.test(word);
const argvOf = (line: string): string[] =>
  line.split(' ').flatMap((word) => WORDS[word]?.() ?? [isFile(word) ? at(word) : word]);

/** Runs `pare train` with the words of a line. */
const say = (line: string): Promise<Said> => pare('train', ...argvOf(line), '--threads', '1', '--quiet');

/** The same with --json, and what it says. */
async function train(line: string): Promise<{ code: number; err: string; json: Trained }> {
  const { code, out, err } = await say(`${line} --json`);
  return { code, err, json: JSON.parse(out) as Trained };
}

/** Two features, told apart by their product's sign; `kind` is that, `size` a number in large units. */
const rows = Array.from({ length: 240 }, (_, i) => {
  const [a, b] = [Math.sin(i * 12.9), Math.cos(i * 7.7)];
  return { a, b, kind: a * b > 0 ? 'yes' : 'no', size: 1e5 * (3 + a - 2 * b) };
});
const table = (columns: readonly (keyof (typeof rows)[0])[]): string =>
  [columns.join(','), ...rows.map((row) => columns.map((column) => row[column]).join(','))].join('\n');

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pare-train-'));
  writeFileSync(at('kinds.csv'), table(['a', 'b', 'kind']));
  writeFileSync(at('sizes.csv'), table(['a', 'b', 'size']));
  writeFileSync(at('plain.csv'), table(['a', 'b']));
  writeFileSync(at('three.onnx'), writeModel(sequential([dense(3)], { input: [2] })));
  writeFileSync(at('mlp.onnx'), writeModel(sequential([dense(16), relu(), dense(2)], { input: [2] })));
  writeFileSync(
    at('cnn.onnx'),
    writeModel(
      sequential([conv2d(4, 3, { stride: 2 }), relu(), flatten(), dense(GLYPHS.length)], { input: [1, 16, 16] }),
    ),
  );
  writeFileSync(
    at('net.json'),
    JSON.stringify({
      model: { layers: [['dense', 24], 'relu', 'classifier'] },
      data: at('kinds.csv'),
      label: 'kind',
      epochs: 40,
      lr: 0.02,
    }),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('pare train', () => {
  it('trains what a configuration describes, and flags win over it', async () => {
    const { code, json } = await train('NET --epochs 60 --out a.onnx');
    expect(code).toBe(0);
    expect(json.epochs).toHaveLength(60);
    expect(json.epochs[59]).toMatchObject({ metric: { name: 'accuracy' } });
    expect(json.metric.value).toBeGreaterThan(0.85);
    expect(existsSync(json.out)).toBe(true);
  });

  it('keeps weights and state with the engine when told so, and ends in the same place', async () => {
    const words = 'NET --epochs 5 --optimizer adamw --clip-norm 1 --out a.onnx';
    const [inMemory, resident] = [await train(`${words} --resident no`), await train(`${words} --resident yes`)];
    expect(resident.code).toBe(0);
    expect(resident.json.metric).toEqual(inMemory.json.metric);
    inMemory.json.epochs.forEach(({ loss }, i) => {
      expect(resident.json.epochs[i]!.loss).toBeCloseTo(loss, 5);
    });
  });

  it('ends in the same bytes for the same seed, and in others for another', async () => {
    const bytes = async (name: string, seed: string) => {
      await train(`NET --epochs 2 --seed ${seed} --out ${name}`);
      return readFileSync(at(name));
    };
    const first = await bytes('s1.onnx', '3');
    expect((await bytes('s2.onnx', '3')).equals(first)).toBe(true);
    expect((await bytes('s3.onnx', '4')).equals(first)).toBe(false);
  });

  it('predicts numbers in their own unit', async () => {
    const { json } = await train('mlp SIZES --epochs 60 --batch 16 --lr 0.01 --out b.onnx');
    expect(json.metric.name).toBe('rmse');
    expect(json.metric.value).toBeLessThan(2e4); // the spread is 1.6e5
    expect(json.epochs.at(-1)!.metric.name).toBe('r2');
  });

  it('rebuilds inputs that have no labels', async () => {
    const words = JSON.stringify({ layers: [['dense', 8], 'tanh', 'classifier'] });
    const { code, json } = await train(`${words} PLAIN --epochs 2 --out c.onnx`);
    expect([code, json.notes.join()]).toEqual([0, expect.stringContaining('learns to rebuild its input')]);
  });

  it('takes every option together', async () => {
    const flags =
      '--optimizer sgd:nesterov=true --momentum 0.9 --weight-decay 1e-4 --lr 0.05 --schedule step:every=1,factor=0.5 --warm-up 0.5 --clip-norm 1 --clip-value 0.5 --around ema:keep=0.9 --accumulate 2 --batch 8 --freeze conv1.* --layer-decay 0.8 --label-smoothing 0.1 --class-weights balanced --augment flip,crop=2 --augment erase --metric f1 --patience 3 --epochs 2';
    const files = '--out d.onnx --log run/m.jsonl --log run/tb';
    const { code, err, json } = await train(`CNN GLYPHS --limit 50 ${flags} ${files}`);
    expect([code, err]).toEqual([0, expect.stringMatching(/^(note: .*\n)*$/)]);
    expect(json.epochs.map(({ metric }) => metric.name)).toEqual(['f1', 'f1']);
    const lines = readFileSync(at('run/m.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines.at(-1)).toMatchObject({ epoch: 1, loss: json.epochs[1]!.loss });
  });

  it('races optimisers, and finds a rate', async () => {
    const race = await train('MLP KINDS --epochs 1 --optimizer auto:updates=4 --out e.onnx');
    expect(race.json.choice).toMatch(/was chosen of 12 candidates/);
    const range = await train('MLP KINDS --epochs 1 --lr auto --plot range.svg --out f.onnx');
    expect(range.json.range!.points.length).toBeGreaterThan(20);
    expect(readFileSync(at('range.svg'), 'utf8')).toMatch(/^<svg [\s\S]*<path d="M[\s\S]*<\/svg>\n$/);
  });

  it('learns from two views of each sample, without labels', async () => {
    const { graph, ...rest } = sequential([dense(4)], { input: [2] });
    const [one] = graph.outputs;
    const view = { op: 'Tanh', domain: '', name: 'view', inputs: [one!.name], outputs: ['view'], attrs: {} };
    const outputs = [...graph.outputs, { ...one!, name: 'view' }];
    writeFileSync(
      at('views.onnx'),
      writeModel({ ...rest, graph: { ...graph, nodes: [...graph.nodes, view], outputs } }),
    );
    const words = 'PLAIN --epochs 12 --lr 0.05 --loss info-nce:temperature=0.1 --clip-adaptive 1';
    const { code, json } = await train(`VIEWS ${words} --out views-out.onnx`);
    expect(code).toBe(0);
    expect(json.epochs[11]!.loss).toBeLessThan(0.9 * json.epochs[0]!.loss);
    expect(json.epochs[11]!.metric).toBeUndefined();
    expect(json.metric.name).toBe('agreement');
    const alone = await train(`MLP ${words} --out none.onnx`);
    expect(alone.code).toBe(2);
    expect(alone.err).toContain('two outputs');
  });

  it('says which losses and flags do not go together', async () => {
    for (const [flags, said] of [
      ['--loss ctc', 'row of labels'],
      ['--loss ctc --mixup 0.2', 'do not go together'],
      ['--optimizer auto --momentum 0.9', 'race chooses'],
      ['--optimizer auto --schedule plateau', 'plateau begins at --lr'],
    ] as const) {
      const { code, err } = await train(`MLP KINDS ${flags} --out none.onnx`);
      expect(code).toBe(2);
      expect(err).toContain(said);
    }
  });

  it('cuts a pipeline by what it is told to, and says how even it is', async () => {
    const words = 'MLP KINDS --epochs 1 --out piped.onnx --balance memory';
    const { code, json } = await train(`${words} --stages 2`);
    expect(code).toBe(0);
    expect(json.parallel).toMatchObject({ stages: 2, balance: 'memory' });
    expect(json.parallel!.shares.reduce((a, b) => a + b)).toBeCloseTo(1, 10);
    const alone = await train(words);
    expect(alone.code).toBe(2);
    expect(alone.err + JSON.stringify(alone.json)).toContain('--balance belongs to a pipeline');
  });

  it('mixes samples and their classes', async () => {
    const { code, json } = await train('CNN GLYPHS --epochs 1 --mixup 0.2 --limit 50 --out h.onnx');
    expect([code, json.epochs[0]!.metric.name]).toEqual([0, 'accuracy']);
  });

  it.each([
    ['resnet21 GLYPHS', 'usage/unknown-network'],
    ['resnet20', 'usage/missing'],
    ['resnet20 KINDS', 'network/shape'],
    ['{"layers":["rellu"]} GLYPHS', 'option/unknown'],
    ['{"layers":[["conv2d",8]]} GLYPHS', 'network/words'],
    ['{"layers":[["conv2d",8,99],"flatten","classifier"]} GLYPHS', 'network/shape'],
    ['{"layers":["flatten",["dense",3]]} GLYPHS', 'network/shape'],
    ['{"name":"vgg","hiden":[3]} GLYPHS', 'network/words'],
    ['MLP KINDS --optimizer adamm', 'option/unknown'],
    ['MLP KINDS --optimizer adam:beta=3', 'usage/value'],
    ['MLP KINDS --optimizer adam --momentum 0.5', 'usage/conflict'],
    ['MLP KINDS --lr fast', 'usage/value'],
    ['MLP SIZES', 'data/shape'],
    ['MLP KINDS --mixup 1 --cutmix 1', 'usage/conflict'],
    ['MLP KINDS --resident yes --replicas 2', 'parallel/resident'],
    ['THREE PLAIN', 'data/unlabelled'],
    ['{"layers":[["dense",10]]} GLYPHS', 'network/shape'],
    ['MLP KINDS --every often --checkpoint x', 'usage/value'],
    ['MLP KINDS --class-weights 1,2,3', 'usage/value'],
  ])('%s is refused with one error', async (line, code) => {
    const { code: exit, err } = await say(`${line} --out never.onnx`);
    expect(err).toContain(`[${code}]`);
    expect(exit).toBe(2);
    expect(existsSync(at('never.onnx'))).toBe(false);
  });
});
