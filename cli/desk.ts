/** What a verb works with: models in and out, data, the engine, notes. Rooms are loaded when they are first needed. */

import { basename, dirname, extname, join, resolve } from 'node:path';
import { PareError } from '../src/base/error.ts';
import type { Splits } from '../src/data/subset.ts';
import type { Model } from '../src/graph/model.ts';
import type { Collective } from '../src/parallel/collective.ts';
import type { Subject } from '../src/report/subject.ts';
import type { Engine } from '../src/runtime/engine.ts';
import type { Lab, Progress } from '../src/runtime/lab.ts';
import type { CommonValues } from './common-args.ts';
import { dimsOf, openSets, openSplits, type Sets } from './sets.ts';

export interface Written {
  /** The model's file. */
  readonly out: string;
  /** With external data. */
  readonly bytes: number;
  /** How many files hold it: one, and those of its external data. */
  readonly files: number;
}

export interface Desk {
  readonly values: CommonValues;
  readonly signal: AbortSignal;
  /** The ranks that this process works with; a group of one without MPI. Only the first reads results back and writes. */
  readonly collective: Collective;
  /** The command as the user gave it, for reports. */
  readonly command: string;
  readonly version: string;
  /** What was noted so far. */
  readonly notes: readonly string[];
  /** Lengths that `--dim` gives to open axes of random inputs, by symbol. */
  readonly dims: Readonly<Record<string, number>>;
  /** Throws as readModelFile does. */
  read(file: string): Promise<Subject>;
  /** The engine with seed, threads, progress, notes and the signal; one per command. Throws engine/device, engine/missing. */
  lab(): Promise<Lab>;
  /** The same, where all ranks are at the same place: they share what answers are made of. */
  sharedLab(): Promise<Lab>;
  /**
   * The data for this model as it comes, before any share is held back; `--eval` is the test set. Undefined when the
   * command names none, or random ones, which tell nothing of accuracy. `flags` win over the command's own. Throws as
   * openData and bind do.
   */
  splits(model: Model, flags?: Partial<CommonValues>): Promise<Splits | undefined>;
  /** The data for this model (for none yet: as it is), or undefined when the command names none. Throws as openData and bind do. */
  sets(model: Model | undefined): Promise<Sets | undefined>;
  /** `--out`, or a name beside the input: `resnet.onnx` and `pruned` make `resnet.pruned.onnx`. */
  outFor(input: string, tag: string, ending?: string): string;
  /**
   * Writes the model, all or nothing.
   *
   * Throws   usage/overwrite when `--out` was not given and the name would be an input's; file/unwritable.
   */
  write(out: string, model: Model): Promise<Written>;
  /** Writes a text file, all or nothing. Throws file/unwritable. */
  writeText(out: string, text: string): Promise<void>;
  /** Something the user should know and no error; said once, and kept in the JSON. */
  note(text: string): void;
  progress(progress: Progress): void;
  /** What an interruption says: where the work can go on. */
  checkpoint(file: string, resume: string): void;
}

export interface DeskOptions {
  readonly values: CommonValues;
  readonly signal: AbortSignal;
  readonly collective: Collective;
  readonly command: string;
  readonly version: string;
  readonly onNote: (text: string) => void;
  readonly onProgress: (progress: Progress) => void;
  readonly onCheckpoint: (file: string, resume: string) => void;
}

/** Tells before the work, and not after it, that a model cannot be written where `--out` says. Throws file/unwritable. */
export async function checkOut(out: string | undefined): Promise<void> {
  if (out === undefined || extname(out) !== '.onnx') return;
  const { access, constants, stat } = await import('node:fs/promises');
  const isFolder = async (path: string): Promise<boolean> =>
    (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
  const isWritable = async (path: string): Promise<boolean> =>
    (await access(path, constants.W_OK).catch((cause: unknown) => cause)) === undefined;
  const folder = dirname(out);
  const problems: readonly (readonly [boolean, string])[] = [
    [await isFolder(out), 'it is a folder'],
    [!(await isFolder(folder)), `there is no folder "${folder}"`],
    [!(await isWritable(folder)), `"${folder}" is not writable`],
  ];
  const found = problems.find(([isSo]) => isSo);
  if (found) throw new PareError('file/unwritable', `"${out}" cannot be written: ${found[1]}.`, { where: out });
}

/** A desk, and how to clear it: `close` disposes the engine. */
export function deskFor(options: DeskOptions): { desk: Desk; close: () => Promise<void> } {
  const { values, signal, onNote, collective } = options;
  const inputs = new Set<string>();
  const said = new Set<string>();
  let engine: Promise<Engine> | undefined;

  const note = (text: string): void => {
    if (!said.has(text)) onNote(text);
    said.add(text);
  };
  const desk: Desk = {
    values,
    signal,
    collective,
    command: options.command,
    version: options.version,
    get notes() {
      return [...said];
    },
    dims: dimsOf(values.dim),
    note,
    progress: options.onProgress,
    checkpoint: options.onCheckpoint,

    async read(file) {
      const { readModelFile } = await import('../src/onnx/read-file.ts');
      const model = await readModelFile(file);
      inputs.add(resolve(file));
      return { name: basename(file, extname(file)), model, file };
    },

    async lab() {
      engine ??= openFor(values, note);
      return {
        engine: await engine,
        seed: values.seed,
        ...(values.threads !== undefined && { threads: values.threads }),
        ...(values.replicas !== undefined && { replicas: values.replicas }),
        signal,
        onProgress: options.onProgress,
        onNote: note,
      };
    },

    async sharedLab() {
      const lab = await desk.lab();
      if (collective.size === 1) return lab;
      const { answering } = await import('../src/parallel/tell.ts');
      return { ...lab, among: answering(collective) };
    },

    splits: (model, flags = {}) => openSplits(model, { ...values, ...flags }, note),
    sets: (model) => openSets(model, values, note, desk.lab),

    outFor(input, tag, ending = '.onnx') {
      if (values.out !== undefined) return values.out;
      return join(dirname(input), `${basename(input, extname(input))}.${tag}${ending}`);
    },

    async write(out, model) {
      if (values.out === undefined && inputs.has(resolve(out))) {
        throw new PareError('usage/overwrite', `"${out}" is the input; it is not overwritten unless --out names it.`, {
          where: out,
          hint: `--out ${out} overwrites it`,
        });
      }
      const { raisedInWords, saveModel } = await import('../src/runtime/save-model.ts');
      const { files, raised } = await saveModel(out, model);
      if (raised) note(raisedInWords(raised));
      if (values.out === undefined) note(`written to ${out} (--out names another place)`);
      return { out, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0), files: files.length };
    },

    writeText: collective.rank === 0 ? replaceText : async () => undefined,
  };
  return { desk, close: async () => void (await engine?.catch(() => undefined))?.[Symbol.dispose]() };
}

async function openFor({ device, threads }: CommonValues, note: (text: string) => void): Promise<Engine> {
  const { openEngine } = await import('../src/runtime/open.ts');
  const engine = await openEngine({ device, ...(threads !== undefined && { threads }) });
  if (engine.fallbackReason) note(`running on WASM, which is slower: ${engine.fallbackReason}`);
  return engine;
}

async function replaceText(out: string, text: string): Promise<void> {
  const { open, rename, rm } = await import('node:fs/promises');
  const temporary = `${out}.${process.pid}.tmp`;
  try {
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, out);
  } catch (cause) {
    await rm(temporary, { force: true });
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new PareError('file/unwritable', `"${out}" cannot be written: ${why}.`, { where: out, cause });
  }
}
