/** `pare run`: does again what a recipe says; the same model, data, seed and threads give the same bytes. */

import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PareError } from '../../src/base/error.ts';
import { optional, path, required } from '../arg.ts';
import type { CommonValues } from '../common-args.ts';
import { finish, methodArgs, stopwatch } from '../finish.ts';
import { verb } from '../verb.ts';

export const runVerb = verb({
  name: 'run',
  about: 'Do what a recipe says: one that pare optimize found, one of your own, or web, server, tiny.',
  example: 'pare run resnet18.optimized.recipe.json --out again.onnx',
  takes: {
    recipe: required(path('The recipe (JSON), or web, server or tiny.')),
    model: optional(path("The ONNX model; default: the recipe's own.")),
  },
  args: { ...methodArgs },
  async run({ recipe: file, model: named, maxDrop, report, seed, ...flags }, desk) {
    const [{ follow, parseRecipe, presets }, { prepareData }, { digest }] = await Promise.all([
      import('../../src/recipe/index.ts'),
      import('../../src/optimize/bench.ts'),
      import('../../src/optimize/journal.ts'),
      import('../../src/data/index.ts'),
      import('../../src/optimize/judge.ts'),
    ]);
    const recipe = Object.hasOwn(presets, file)
      ? { seed, steps: presets[file as keyof typeof presets] }
      : parseRecipe(await read(file), file);
    const model = named ?? (recipe.model && join(dirname(file), recipe.model.file));
    if (model === undefined) {
      throw new PareError('usage/missing', `"${file}" names no model.`, {
        where: file,
        expected: 'pare run RECIPE MODEL',
      });
    }
    const before = await desk.read(model);
    if (recipe.model && (await digest(await readFile(model))) !== recipe.model.sha256) {
      desk.note(`"${model}" is not the model that the recipe was made for: the result will differ`);
    }
    const lab = { ...(await desk.lab()), seed: recipe.seed };
    if (recipe.threads !== undefined && recipe.threads !== lab.engine.threads) {
      desk.note(
        `the recipe was made with ${recipe.threads} threads: with ${lab.engine.threads} the last digits may differ`,
      );
    }
    const splits = await desk.splits(before.model, flagsOf(recipe.flags, flags));
    const { bench, evaluation } = await prepareData(before.model, splits, { ...lab, onNote: () => {} });
    const seconds = stopwatch();
    const made = await follow(before.model, recipe.steps, bench, lab);
    return finish(desk, {
      before,
      model: made,
      tag: 'made',
      evaluation,
      maxDrop,
      report,
      seconds: seconds(),
      result: { recipe: recipe.steps, seed: recipe.seed },
    });
  },
});

/** The recipe's data flags, where the command line says nothing else. */
function flagsOf(kept: Readonly<Record<string, unknown>> = {}, given: Readonly<Record<string, unknown>>) {
  const isGiven = (value: unknown): boolean => value !== undefined && !(Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(kept).filter(([name]) => !isGiven(given[name]))) as Partial<CommonValues>;
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new PareError('file/missing', `There is no recipe "${file}".`, {
      where: file,
      expected: 'a JSON file, or one of web, server, tiny',
      cause,
    });
  }
}
