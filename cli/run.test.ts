import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Graph } from '../src/graph/model.ts';
import { sizeOf } from '../src/graph/tensor.ts';
import { conv2d, dense, flatten, maxPool2d, relu, sequential } from '../src/nn/index.ts';
import { readModelFile, writeModel } from '../src/onnx/index.ts';
import { saveModel } from '../src/runtime/save-model.ts';
import { pare } from '../test/pare.ts';
import { run } from './run.ts';

let folder = '';
const at = (name: string): string => join(folder, name);

/** Elements of all float initialisers. */
const weightsOf = ({ initializers }: Graph): number =>
  [...initializers.values()].reduce((sum, { dtype, dims }) => sum + (dtype === 'float32' ? sizeOf(dims) : 0), 0);

/** Weights for one row of a table without a header of names: x0 … x3 and a class. */
const CSV = [
  'a,b,c,d,kind',
  ...Array.from({ length: 40 }, (_, i) => `${i % 7},${i % 3},${i % 5},${i % 2},${i % 3}`),
].join('\n');

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pare-cli-'));
  const cnn = sequential([conv2d(8, 3), relu(), maxPool2d(2), flatten(), dense(36)], { input: [1, 28, 28] });
  const bytes = writeModel(cnn);
  writeFileSync(at('cnn.onnx'), bytes);
  writeFileSync(at('cut.onnx'), bytes.subarray(0, bytes.length - 1000));
  writeFileSync(at('text.onnx'), 'this is not a model\n');
  writeFileSync(at('empty.onnx'), '');
  writeFileSync(at('mlp.onnx'), writeModel(sequential([dense(8), relu(), dense(3)], { input: [4] })));
  writeFileSync(at('rows.csv'), CSV);
  rmSync(at('none'), { recursive: true, force: true });
  mkdtempSync(at('empty-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('bad input', () => {
  it('names a missing file', async () => {
    const { code, out, err } = await pare('inspect', at('nowhere.onnx'));
    expect(err).toBe(`There is no file "${at('nowhere.onnx')}". [file/missing]\n  where    ${at('nowhere.onnx')}\n`);
    expect([code, out]).toEqual([2, '']);
  });

  it('tells a truncated file', async () => {
    const { code, err } = await pare('inspect', at('cut.onnx'));
    expect(err).toContain(at('cut.onnx'));
    expect(err).toContain('[onnx/truncated]');
    expect(code).toBe(2);
  });

  it('says what a file is that is no model', async () => {
    const { code, err } = await pare('inspect', at('text.onnx'));
    expect(err.split('\n')[0]).toBe(`${at('text.onnx')} is a text file, not an ONNX model. [onnx/not-onnx]`);
    expect(code).toBe(2);
    expect((await pare('inspect', at('empty.onnx'))).err).toContain('is empty. [onnx/empty]');
  });

  it('refuses samples of the wrong shape, and says both shapes', async () => {
    const { code, err } = await pare('eval', at('cnn.onnx'), '--data', at('rows.csv'), '--label', 'kind');
    expect(code).toBe(2);
    expect(err).toContain('A sample of "rows.csv (test)" does not fit the model\'s input "x". [data/shape]');
    expect(err).toContain('expected [1, 28, 28]');
    expect(err).toContain('got      [4]');
  });

  it('refuses an unknown flag with the nearest one', async () => {
    const { code, err } = await pare('inspect', at('cnn.onnx'), '--layer');
    expect(err.split('\n')[0]).toBe(
      'pare inspect has no flag "--layer"; did you mean "--layers"? [usage/unknown-flag]',
    );
    expect(code).toBe(2);
    expect((await pare('prune', at('cnn.onnx'), '--keep', '50%')).err).toContain('did you mean "--keep-macs"?');
  });

  it('refuses an unknown verb with the nearest one', async () => {
    const { code, err } = await pare('instpect');
    expect(err.split('\n')[0]).toBe('pare: there is no verb "instpect"; did you mean "inspect"? [usage/unknown-verb]');
    expect(code).toBe(2);
  });

  it('refuses an empty data folder', async () => {
    const empty = at(readdirSync(folder).find((name) => name.startsWith('empty-'))!);
    const { code, err } = await pare('eval', at('cnn.onnx'), '--data', empty);
    expect(err).toContain(`"${empty}" holds no data that Pare reads. [data/empty]`);
    expect(err).toContain('an empty folder');
    expect(code).toBe(2);
  });

  it.each([
    [['inspect'], 'usage/missing'],
    [['inspect', 'a.onnx', 'b.onnx'], 'usage/too-many'],
    [['bench', 'a.onnx', '--rounds', 'many'], 'usage/value'],
    [['bench', 'a.onnx', '--rounds', '2.5'], 'usage/value'],
    [['bench', 'a.onnx', '--rounds'], 'usage/missing-value'],
    [['inspect', 'a.onnx', '--device', 'cud'], 'option/unknown'],
    [['prune', 'a.onnx', '--keep-macs', '150%'], 'option/share'],
    [['prune', 'a.onnx', '--by', 'tailor'], 'option/unknown'],
    [['eval', 'CNN'], 'usage/missing'],
    [['quantize', 'CNN'], 'usage/missing'],
    [['prune', 'CNN', '--keep-macs', '50%', '--keep-bytes', '50%'], 'usage/conflict'],
    [['eval', 'CNN', '--data', 'nothing-here'], 'data/missing'],
    [['inspect', 'CNN', '--config', 'nothing.json'], 'config/missing'],
    [['prune', 'CNN', '--out', 'no-such-folder/a.onnx'], 'file/unwritable'],
    [['quantize', 'CNN', '--scheme', 'dynamic', '--exclude', 'nobody'], 'usage/value'],
    [['train', 'CNN', '--data', 'glyphs', '--resume'], 'usage/missing'],
    [['train', 'CNN', '--data', 'glyphs', '--freeze', 'nobody*'], 'usage/value'],
    [['train', 'CNN', '--data', 'glyphs', '--optimizer', 'adam:b1=x'], 'usage/value'],
    [[], ''],
  ])('%j ends with 2', async (argv, code) => {
    const answer = await pare(...argv.map((word) => (word === 'CNN' ? at('cnn.onnx') : word)));
    expect(answer.code).toBe(2);
    expect(answer.err).toContain(code && `[${code}]`);
    expect(answer.out).toBe('');
  });

  it('leaves every file as it was', async () => {
    const before = readdirSync(folder).map((name) => [name, statSync(at(name)).mtimeMs]);
    await pare('prune', at('cut.onnx'), '--out', at('cnn.onnx'));
    await pare('quantize', at('cnn.onnx'), '--data', at('rows.csv'), '--label', 'kind', '--out', at('mlp.onnx'));
    expect(readdirSync(folder).map((name) => [name, statSync(at(name)).mtimeMs])).toEqual(before);
  });

  it('answers with one JSON object when asked for JSON', async () => {
    const { out, code } = await pare('inspect', at('nowhere.onnx'), '--json');
    expect(JSON.parse(out)).toEqual({
      error: {
        code: 'file/missing',
        message: `There is no file "${at('nowhere.onnx')}".`,
        where: at('nowhere.onnx'),
      },
    });
    expect(code).toBe(2);
  });
});

describe('verbs', () => {
  it('inspect counts what is there', async () => {
    const { code, out } = await pare('inspect', at('mlp.onnx'), '--json');
    const result = JSON.parse(out);
    expect(code).toBe(0);
    expect(result).toMatchObject({
      ir: 10,
      inputs: [{ name: 'x', dtype: 'float32', dims: ['N', 4] }],
      parameters: 4 * 8 + 8 + 8 * 3 + 3,
      macs: 4 * 8 + 8 * 3,
      bytes: statSync(at('mlp.onnx')).size,
    });
    expect(result.nodes).toBe(Object.values(result.ops as Record<string, number>).reduce((a, b) => a + b));
  });

  it('inspect lists the ops whose cost it does not know', async () => {
    const model = await readModelFile(at('mlp.onnx'));
    const strange = {
      ...model,
      opsets: { ...model.opsets, 'com.example': 1 },
      graph: {
        ...model.graph,
        nodes: model.graph.nodes.map((node) =>
          node.op === 'Relu' ? { ...node, op: 'Bend', domain: 'com.example' } : node,
        ),
      },
    };
    writeFileSync(at('strange.onnx'), writeModel(strange));
    const { code, out } = await pare('inspect', at('strange.onnx'), '--json');
    const relu = model.graph.nodes.find(({ op }) => op === 'Relu')!;
    expect(code).toBe(0);
    expect(JSON.parse(out).unknown).toContain(relu.name);
    expect(JSON.parse(out).ops).toHaveProperty('com.example.Bend', 1);
    rmSync(at('strange.onnx'));
  });

  it('eval scores a model that knows nothing, and says so', async () => {
    const { code, out, err } = await pare(
      'eval',
      at('mlp.onnx'),
      '--eval',
      at('rows.csv'),
      '--label',
      'kind',
      '--json',
    );
    expect(code).toBe(0);
    expect(err).toContain('no better than one answer for all');
    const { metric, samples, loss } = JSON.parse(out);
    expect(metric.name).toBe('accuracy');
    expect(Math.round(metric.value * samples)).toBeCloseTo(metric.value * samples, 9);
    expect(loss).toBeGreaterThan(0);
  });

  it('eval measures agreement with a reference: a model agrees with itself', async () => {
    const argv = ['eval', at('mlp.onnx'), '--reference', at('mlp.onnx'), '--data', 'random', '--json', '--quiet'];
    const { out, code } = await pare(...argv);
    expect(code).toBe(0);
    expect(JSON.parse(out).metric).toEqual({ name: 'agreement', value: 1 });
  });

  it('compare finds no distance between a model and itself', async () => {
    const { out } = await pare('compare', at('mlp.onnx'), at('mlp.onnx'), '--json', '--quiet');
    const { outputs, layers } = JSON.parse(out);
    expect(outputs).toEqual([{ name: 'y', maxAbs: 0, relL2: 0, cosine: 1, top1Agreement: 1 }]);
    expect(layers.length).toBeGreaterThan(0);
    for (const { maxAbs } of layers) expect(maxAbs).toBe(0);
  });

  it('bench gives the figures of the contract', async () => {
    const { out } = await pare('bench', at('mlp.onnx'), at('cnn.onnx'), '--rounds', '3', '--json', '--quiet');
    const { models, ratios } = JSON.parse(out);
    expect(models.map(({ file }: { file: string }) => file)).toEqual([at('mlp.onnx'), at('cnn.onnx')]);
    for (const model of models) {
      expect(model.samplesPerSecond * model.p50Ms).toBeCloseTo(1000, 6);
      expect(model.bytes).toBe(statSync(model.file).size);
    }
    expect(ratios).toHaveLength(1);
  });

  it('prune writes beside the input when --out is not given, and the file loads', async () => {
    const { code, out } = await pare('prune', at('cnn.onnx'), '--json', '--quiet');
    const { before, after, groups, out: written, notes } = JSON.parse(out);
    expect(code).toBe(0);
    expect(written).toBe(at('cnn.pruned.onnx'));
    expect(notes).toContain(`written to ${written} (--out names another place)`);
    expect(after.macs).toBeLessThanOrEqual(before.macs * 0.55);
    expect(after.bytes).toBe(statSync(written).size);
    expect(groups[0].kept).toBeLessThan(groups[0].all);
    expect((await readModelFile(written)).graph.outputs[0]!.name).toBe('y');
  });

  it('puts the result in the place of the input where --out names it, in the opset of its file', async () => {
    const own = at('own.onnx');
    const older = { ...(await readModelFile(at('cnn.onnx'))), own: { opset: 9, ir: 4 } };
    await saveModel(own, older, { externalAboveBytes: 1000 });
    const size = ['own.onnx', 'own.onnx_data'].reduce((sum, name) => sum + statSync(at(name)).size, 0);
    const files = readdirSync(folder);
    const { code, out } = await pare('prune', own, '--keep-macs', '50%', '--json', '--quiet', '--out', own);
    const { before, after, ...result } = JSON.parse(out);
    expect([code, result.out, before.bytes]).toEqual([0, own, size]);
    expect(after.parameters).toBeLessThan(before.parameters);
    expect(readdirSync(folder)).toEqual(files);
    const { ir, opsets, graph } = await readModelFile(own);
    expect([ir, opsets, weightsOf(graph)]).toEqual([4, { '': 9 }, after.parameters]);
    expect((await pare('eval', own, '--data', 'random', '--reference', at('cnn.onnx'), '-q')).code).toBe(0);
  });

  it('ends with 3 when a demanded bound is missed, the file written all the same', async () => {
    const data = ['--data', 'random', '--eval', 'random'];
    const argv = ['prune', at('cnn.onnx'), '--keep-macs', '15%', '--max-drop', '0%', ...data, '--json', '--quiet'];
    const { code, out } = await pare(...argv, '--out', at('tiny.onnx'));
    const { after, missed } = JSON.parse(out);
    expect(after.metric.value).toBeLessThan(1);
    expect(missed[0]).toContain('--max-drop 0.00 %: agreement fell by');
    expect([code, statSync(at('tiny.onnx')).size]).toEqual([3, after.bytes]);
  });

  it('quantize writes a smaller file and a report that stands alone', async () => {
    const page = at('page.html');
    const { code, out } = await pare('quantize', at('cnn.onnx'), '--data', 'random', '--json', '-q', '--report', page);
    const { before, after, kept, scheme } = JSON.parse(out);
    expect(code).toBe(0);
    expect(after.bytes).toBeLessThan(before.bytes / 2);
    expect(scheme).toContain('int8');
    expect(kept).toBeInstanceOf(Array);
    expect(readFileSync(page, 'utf8')).not.toMatch(/<script|https?:|src=/);
  });

  it('compress keeps the answers and names its rewrites', async () => {
    const { code, out } = await pare('compress', at('cnn.onnx'), '--json', '-q', '--out', at('lean.onnx'));
    const { rewrites, relativeError } = JSON.parse(out);
    expect(code).toBe(0);
    expect(rewrites).toBeInstanceOf(Array);
    expect(relativeError).toBeLessThan(1e-4);
  });

  it('compress cuts layers, shares weights and stores them narrow when asked', async () => {
    const flags = ['--factorize', 'svd', '--rank', 'share:0.2', '--unmeasured', '--palette', '3', '--store', 'float16'];
    const { code, out } = await pare('compress', at('cnn.onnx'), ...flags, '--json', '-q', '--out', at('cut-up.onnx'));
    const { before, after, rewrites } = JSON.parse(out);
    expect(code).toBe(0);
    expect(after.macs).toBeLessThan(before.macs);
    expect(after.bytes).toBeLessThan(before.bytes / 2);
    expect(new Set(rewrites.map(({ method }: { method: string }) => method))).toContain('factorize');
  });

  it('compress fits single layers to real samples only', async () => {
    const { code, err } = await pare('compress', at('cnn.onnx'), '--blocks', 'auto', '--data', 'random');
    expect(code).toBe(2);
    expect(err).toContain('random, which is good for exact steps only');
    expect((await pare('compress', at('cnn.onnx'), '--blocks', 'a-b', '--data', 'glyphs')).err).toContain('FROM..TO');
  });

  it('distill makes a student of two teachers, keeps their answers, and says what all of them score', async () => {
    const rows = ['--data', at('rows.csv'), '--label', 'kind', '--epochs', '2', '--cache', at('answers')];
    const losses = [
      '--loss',
      'soft-targets:2',
      '--loss',
      'mse:weight=0.1',
      '--features',
      'similarity:10',
      '--features',
      'auto',
    ];
    const wide = at('mlp.onnx');
    const flags = ['--ensemble', `${wide}=2`, ...rows, ...losses, '--json', '-q', '--out', at('taught.onnx')];
    const { code, out, err } = await pare('distill', wide, 'auto', ...flags);
    expect(err).not.toContain('[');
    expect(code).toBe(0);
    const { teacher, before, after, epochs } = JSON.parse(out);
    expect(teacher.parameters).toBeGreaterThan(after.parameters);
    for (const { metric } of [teacher, before, after]) expect(metric.name).toBe('accuracy');
    expect(epochs).toHaveLength(2);
    expect(readdirSync(at('answers'))).toHaveLength(1);
    const single = await pare('distill', at('cnn.onnx'), 'self', '--data', 'glyphs', '--epochs', '1', '-q');
    expect(single.err).toContain('a single stage');
    expect(single.code).toBe(2);
    expect((await pare('distill', wide, 'auto', ...rows, '--lr', 'auto')).err).toContain('Only `pare train`');
    expect((await pare('distill', wide, 'auto', ...rows, '--live')).err).toContain('[usage/conflict]');
    expect((await pare('distill', wide, wide, ...rows, '--loss', 'soft-target')).err).toContain('did you mean');
    expect((await pare('distill', wide, wide, '--data', at('rows.csv'), '--ensemble', `${wide}=-1`)).code).toBe(2);
  });

  it('says that the device is not there', async () => {
    const { code, err } = await pare('bench', at('mlp.onnx'), '--device', 'cuda');
    if (code === 0) return; // a machine with a GPU
    expect(err).toMatch(/\[engine\/(device|missing)]/);
    expect(code).toBe(4);
  });
});

describe('the program', () => {
  it('takes flags from a configuration file; those of the command line win', async () => {
    writeFileSync(at('pare.config.json'), JSON.stringify({ seed: 7, json: true, bench: { rounds: 4, batch: 2 } }));
    const { out } = await pare('bench', at('mlp.onnx'), '--config', at('pare.config.json'), '--batch', '3', '-q');
    const { rounds, models } = JSON.parse(out);
    expect([rounds, models[0].batch]).toEqual([4, 3]);
    writeFileSync(at('pare.config.json'), JSON.stringify({ sed: 7 }));
    const bad = await pare('inspect', at('mlp.onnx'), '-c', at('pare.config.json'));
    expect(bad.err).toContain('did you mean "seed"? [config/unknown]');
    expect(bad.code).toBe(2);
    rmSync(at('pare.config.json'));
  });

  it('reads a configuration module', async () => {
    writeFileSync(at('pare.config.mjs'), 'export default { layers: true };');
    const { out } = await pare('inspect', at('mlp.onnx'), '-c', at('pare.config.mjs'));
    expect(out).toMatch(/^layer +op/m);
    rmSync(at('pare.config.mjs'));
  });

  it('says its version, and helps', async () => {
    expect((await pare('--version')).out).toBe('1.2.3\n');
    const { out, code } = await pare('--help');
    expect(code).toBe(0);
    for (const name of ['inspect', 'eval', 'bench', 'compare', 'prune', 'quantize', 'doctor']) {
      expect(out).toContain(`  ${name} `);
      expect((await pare(name, '--help')).out).toContain('--seed <N>');
    }
  });

  it('ends with 130 when it is interrupted', async () => {
    let err = '';
    const signal = AbortSignal.abort();
    const code = await run(['bench', at('mlp.onnx')], {
      stdout: { write: () => {} },
      stderr: { write: (text) => (err += text) },
      env: {},
      signal,
      version: '',
    });
    expect(err).toContain('[work/aborted]');
    expect(code).toBe(130);
  });
});

describe('forms for the Hub', () => {
  it('writes the names, the configurations, and files that run', async () => {
    const args = ['--dtype', 'q8,q4,bnb4,fp16', '--exclude', 'Flatten', '--out', at('hub'), '--json'];
    const { code, out } = await pare('quantize', at('cnn.onnx'), ...args);
    expect(code).toBe(0);
    const files = ['model_quantized', 'model_q4', 'model_bnb4', 'model_fp16'].map((name) => `${name}.onnx`);
    expect(readdirSync(at('hub/onnx')).sort()).toEqual([...files].sort());
    const told = JSON.parse(out) as { files: { dtype: string; latencyMs: Record<string, number> }[] };
    expect(told.files.map(({ dtype }) => dtype)).toEqual(['q8', 'q4', 'bnb4', 'fp16']);
    for (const { latencyMs } of told.files) expect(latencyMs['b1']).toBeGreaterThan(0);
    const config = JSON.parse(readFileSync(at('hub/config.json'), 'utf8')) as Record<string, unknown>;
    expect(config['transformers.js_config']).toEqual({ dtype: 'q8' });
    writeFileSync(at('hub/config.json'), '{"model_type":"vit","id2label":{"0":"a"}}');
    expect((await pare('quantize', at('cnn.onnx'), '--dtype', 'fp16', '--out', at('hub'), '--json')).code).toBe(0);
    expect(JSON.parse(readFileSync(at('hub/config.json'), 'utf8'))).toEqual({
      model_type: 'vit',
      id2label: { 0: 'a' },
      'transformers.js_config': { dtype: 'fp16' },
    });
  });
});
