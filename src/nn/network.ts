/** A network in words, as a configuration holds it: a reference model by name, or a list of layers. What the data says is taken from it. */

import { PareError } from '../base/error.ts';
import { nearest, pick } from '../base/suggest.ts';
import type { DType } from '../graph/dtype.ts';
import { type Model, tensorType } from '../graph/model.ts';
import { tensor } from '../graph/tensor.ts';
import { draft } from '../ops/builder.ts';
import { infer } from '../ops/infer.ts';
import type { Value } from '../ops/op.ts';
import { chainLayers, type Layer, sequential } from './layer.ts';
import { LAYERS } from './network-layers.ts';
import { MODELS } from './network-models.ts';

/** `"relu"`, `["conv2d", 32, 3, { "pad": "same" }]`, `["residual", [ …layers ], [ …layers ]]`. */
export type LayerWords = string | readonly [name: string, ...operands: unknown[]];

/** `"resnet20"`, `{ "name": "vgg", "hidden": [256] }`, `{ "layers": [ … ] }`. */
export type NetworkWords =
  | string
  | ({ readonly name: string } & Readonly<Record<string, unknown>>)
  | { readonly layers: readonly LayerWords[] };

/** What a network must suit: a sample of the data, and how many numbers answer it. */
export interface Suits {
  /** Dimensions of one sample, without the batch axis. */
  readonly input: readonly number[];
  readonly dtype: DType;
  /** Where samples are token ids: how many different ones there are. */
  readonly tokens?: number;
  /** Classes, or numbers to predict. */
  readonly outputs: number;
  /** Units of the numbers to predict, for each of them: the network itself works with (number − mean) / std. */
  readonly units?: { readonly mean: readonly number[]; readonly std: readonly number[] };
  /** Default 0. */
  readonly seed?: number;
}

/** A row of the tables of layers and models: what stands behind the name, and what may. */
export interface Words<T> {
  /** Names of the operands that must be there, in order; with a `?`, may. */
  readonly operands: readonly string[];
  /** Names of the options. */
  readonly options: readonly string[];
  readonly make: (operands: readonly unknown[], options: Readonly<Record<string, unknown>>, suits: Suits) => T;
}

/**
 * Builds the network that the words describe, for samples of this kind; input and number of classes come from the data.
 *
 * Throws   network/words for what is not understood, with the place; option/unknown with the nearest name; network/shape when the
 *          data does not suit the network.
 */
export function buildNetwork(words: NetworkWords, suits: Suits): Model {
  const model = bareNetwork(words, suits);
  return suits.units ? inUnits(model, suits.units) : model;
}

function bareNetwork(words: NetworkWords, suits: Suits): Model {
  if (typeof words === 'string') return referenceModel(words, {}, suits);
  if ('name' in words && typeof words.name === 'string') {
    const { name, ...options } = words;
    return referenceModel(name, options, suits);
  }
  if (!('layers' in words) || !Array.isArray(words.layers)) {
    throw bad('the model', 'a name, { "name": … } or { "layers": [ … ] }', JSON.stringify(words));
  }
  const { input, dtype, seed } = suits;
  const layers = layersOf(words.layers as readonly LayerWords[], suits, 'layers');
  const model = shaped('the layers', suits, () =>
    sequential(layers, {
      input,
      inputType: suits.tokens === undefined ? dtype : 'int64',
      ...(seed !== undefined && { seed }),
    }),
  );
  checkDims(model, suits);
  return model;
}

/** y · std + mean behind the model's output. Both are float64 inside, so that nothing takes them for weights. */
function inUnits(model: Model, { mean, std }: NonNullable<Suits['units']>): Model {
  const { graph } = model;
  const building = draft<Value>(graph, infer(graph));
  const { g } = building;
  const known = (values: readonly number[], name: string): Value =>
    g.Cast(g.constant(tensor('float64', [values.length], values), name), { to: 1 });
  const scaled = g.Mul(g.of(graph.outputs[0]!.name), known(std, 'units_std'));
  const y = g.Add(scaled, known(mean, 'units_mean'));
  const outputs = [{ name: y.name, type: { kind: 'tensor' as const, dtype: y.dtype, dims: y.dims } }];
  return { ...model, graph: { ...building.finish(outputs), outputs } };
}

/** Names of all reference models. */
export const networkNames: readonly string[] = Object.keys(MODELS);

/** The reference model of this name, written in any case; undefined when there is none. */
export const networkNamed = (name: string): string | undefined =>
  networkNames.find((known) => known.toLowerCase() === name.toLowerCase());

function referenceModel(name: string, options: Readonly<Record<string, unknown>>, suits: Suits): Model {
  const row = pick(MODELS, networkNamed(name) ?? name, 'reference model');
  checkOptions(name, row, options);
  return shaped(`"${name}"`, suits, () => row.make([], options, suits));
}

/** A list of layers, each made by its row; `where` is the place in the configuration. */
export function layersOf(list: readonly LayerWords[], suits: Suits, where: string): Layer[] {
  return list.map((words, i) => {
    const place = `${where}[${i}]`;
    const [name, ...rest] = typeof words === 'string' ? [words] : Array.isArray(words) ? (words as unknown[]) : [];
    if (typeof name !== 'string') throw bad(place, '"relu", or ["dense", 64]', JSON.stringify(words));
    const row = pick(LAYERS, name, `layer (${place})`);
    const last = rest.at(-1);
    const options = isRecord(last) ? last : {};
    const operands = isRecord(last) ? rest.slice(0, -1) : rest;
    const least = row.operands.filter((operand) => !operand.endsWith('?')).length;
    if (operands.length < least || operands.length > row.operands.length) {
      throw bad(`${place}, ${name}`, row.operands.join(', ') || 'nothing behind the name', JSON.stringify(operands));
    }
    checkOptions(name, row, options);
    const nested = operands.map((operand, k) =>
      Array.isArray(operand) && operand.some((one) => typeof one !== 'number')
        ? chainLayers(...layersOf(operand as LayerWords[], suits, `${place}[${k + 1}]`))
        : operand,
    );
    const made = row.make(nested, options, suits);
    return (x, make) => shaped(`${name} (${place})`, { input: x.dims.slice(1) }, () => made(x, make));
  });
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function checkOptions<T>(name: string, row: Words<T>, options: Readonly<Record<string, unknown>>): void {
  const wrong = Object.keys(options).find((key) => !row.options.includes(key));
  if (wrong === undefined) return;
  const near = nearest(wrong, row.options);
  throw new PareError('network/words', `${name} has no option "${wrong}"${near ? `; did you mean "${near}"?` : '.'}`, {
    where: name,
    expected: row.options.join(', ') || 'no options',
  });
}

/** Runs a maker; what it throws of its own becomes an error about shapes. */
function shaped<T>(who: string, { input }: { readonly input: readonly unknown[] }, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (cause instanceof PareError && cause.code.startsWith('network/')) throw cause;
    throw new PareError('network/shape', `${who} cannot read samples of [${input.join(', ')}].`, {
      where: who,
      got: (cause as Error).message.split('\n')[0]!,
      cause,
    });
  }
}

function checkDims(model: Model, { outputs }: Suits): void {
  const dims = tensorType(model.graph.outputs[0])?.dims?.slice(1) ?? [];
  const size = dims.reduce<number>((n, dim) => n * (typeof dim === 'number' ? dim : 1), 1);
  if (size === outputs || dims.at(0) === outputs || dims.at(-1) === outputs) return;
  throw new PareError(
    'network/shape',
    `The last layer gives [${dims.join(', ')}], and the data wants ${outputs} numbers.`,
    {
      where: 'the last layer',
      expected: `${outputs}`,
      got: `[${dims.join(', ')}]`,
      hint: 'end the list with "classifier", which takes the number from the data',
    },
  );
}

const bad = (where: string, expected: string, got: string): PareError =>
  new PareError('network/words', `The network's description is not understood at ${where}.`, { where, expected, got });
