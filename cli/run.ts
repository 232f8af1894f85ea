/** One command from its words to its exit code: find the verb, read its arguments, run it, say what came out. */

import { asPareError, PareError } from '../src/base/error.ts';
import { nearest } from '../src/base/suggest.ts';
import type { Collective } from '../src/parallel/collective.ts';
import { paintFor } from '../src/report/table.ts';
import type { CommonValues } from './common-args.ts';
import { configWords, isConfigName, readConfig } from './config.ts';
import { checkOut, deskFor } from './desk.ts';
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts';
import { flagsOf, helpOf, kebab, parseWords } from './parse.ts';
import { progressBar } from './progress.ts';
import { ioOfRank, withRanks } from './ranks.ts';
import { errorJson, renderError, renderJson, renderText } from './render.ts';
import { supervise, watchSupervisor } from './supervise.ts';
import { verbs } from './verb/index.ts';
import type { Verb } from './verb.ts';

export interface Stream {
  readonly write: (text: string) => unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** The world around a command; tests bring their own. */
export interface Io {
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts at the first Ctrl-C. */
  readonly signal: AbortSignal;
  /** Of Pare itself. */
  readonly version: string;
}

/** Runs `pare <argv>`; never throws. */
export async function run(argv: readonly string[], world: Io): Promise<ExitCode> {
  const io = ioOfRank(world);
  try {
    return await runWords(argv, io);
  } catch (thrown) {
    return tellError(asPareError(thrown), argv, io);
  }
}

function tellError(error: PareError, argv: readonly string[], io: Io): ExitCode {
  io.stderr.write(renderError(error, paintFor(io.stderr, io.env), argv.includes('--debug')));
  if (argv.includes('--json') || argv.includes('-j')) io.stdout.write(errorJson(error));
  return exitCodeOf(error.code);
}

async function runWords(argv: readonly string[], io: Io): Promise<ExitCode> {
  const [name, ...rest] = argv;
  if (name === '--version' || name === '-V') {
    io.stdout.write(`${io.version}\n`);
    return EXIT.done;
  }
  if (name === undefined || name === '--help' || name === '-h' || (name === 'help' && rest.length === 0)) {
    (name === undefined ? io.stderr : io.stdout).write(await overview(io.version));
    return name === undefined ? EXIT.usage : EXIT.done;
  }
  const verb = await verbNamed(name === 'help' ? rest[0]! : name);
  const written = parseWords(verb, rest);
  if (written.wantsHelp || name === 'help') {
    io.stdout.write(helpOf(verb));
    return EXIT.done;
  }
  const words = await withConfig(verb, written.words);
  const supervised = verb.isParallel ? await supervise(argv, words, io) : undefined;
  if (supervised !== undefined) return supervised;
  watchSupervisor(io.env);
  const tell = (error: PareError): void => void tellError(error, argv, io);
  const work = (collective: Collective): Promise<ExitCode> => runVerb(verb, argv, words, io, collective);
  return withRanks(io, { isParallel: verb.isParallel, work, tell });
}

async function verbNamed(name: string): Promise<Verb> {
  const known = Object.keys(verbs);
  if (Object.hasOwn(verbs, name)) return verbs[name]!();
  const near = nearest(name, known);
  const what = name.startsWith('-') ? 'a verb comes first, not' : 'there is no verb';
  throw new PareError('usage/unknown-verb', `pare: ${what} "${name}"${near ? `; did you mean "${near}"?` : '.'}`, {
    where: name,
    expected: known.join(', '),
    hint: 'pare --help says what each does',
  });
}

async function withConfig(
  verb: Verb,
  words: Readonly<Record<string, readonly string[]>>,
): Promise<Readonly<Record<string, readonly string[]>>> {
  const stands = Object.keys(verb.takes).find(
    (name) => verb.takes[name]!.isConfig && words[name]?.length === 1 && isConfigName(words[name][0]!),
  );
  const file = stands === undefined ? words['config']?.at(-1) : words[stands]![0]!;
  if (file === undefined) return words;
  const { [stands ?? '']: _, ...given } = words;
  const configured = configWords(await readConfig(file), verb, Object.keys(verbs), file);
  if (stands === undefined || configured[stands]) return { ...configured, ...given };
  throw new PareError('config/missing', `"${file}" does not say what "${stands}" is.`, {
    where: file,
    expected: `an entry "${stands}"`,
    hint: verb.example,
  });
}

async function runVerb(
  verb: Verb,
  argv: readonly string[],
  words: Readonly<Record<string, readonly string[]>>,
  io: Io,
  collective: Collective,
): Promise<ExitCode> {
  const values = valuesOf(verb, words);
  const paint = paintFor(io.stderr, io.env);
  const bar = progressBar(
    { write: io.stderr.write.bind(io.stderr), isTTY: io.stderr.isTTY ?? false, columns: () => io.stderr.columns ?? 80 },
    { quiet: values.quiet, now: () => performance.now() },
  );
  const notes: string[] = [];
  let resume: string | undefined;
  const { desk, close } = deskFor({
    values,
    signal: io.signal,
    collective,
    command: commandLine(argv),
    version: io.version,
    onNote(text) {
      notes.push(text);
      bar.note(paint('yellow', `note: ${text}`));
    },
    onProgress: (progress) => bar.show(progress),
    onCheckpoint(file, again) {
      resume = `The last checkpoint is ${file}. To go on: ${again}\n`;
    },
  });
  try {
    await checkOut(values.out);
    const outcome = await verb.run(values, desk);
    bar.clear();
    const out = values.json ? renderJson(outcome, notes) : renderText(outcome, paintFor(io.stdout, io.env));
    io.stdout.write(out);
    return outcome.missed?.length ? EXIT.missedBound : EXIT.done;
  } catch (thrown) {
    bar.clear();
    const error = asPareError(thrown);
    if (error.code === 'work/aborted') io.stderr.write(resume ?? howToGoOn(values, argv));
    throw error;
  } finally {
    await close();
  }
}

/** What an interruption says of training, by its flag --checkpoint; nothing for other work. */
function howToGoOn(values: Readonly<Record<string, unknown>>, argv: readonly string[]): string {
  const { checkpoint: folder } = values;
  if (!('checkpoint' in values)) return '';
  if (folder === undefined) return 'Nothing was kept. With --checkpoint FOLDER a run can go on.\n';
  const again = commandLine(argv.includes('--resume') ? argv : [...argv, '--resume']);
  return `The last checkpoint is ${String(folder)}. To go on: ${again}\n`;
}

/** Reads the words of every argument, the positional ones by their plain name, flags with their dashes. */
function valuesOf(
  verb: Verb,
  words: Readonly<Record<string, readonly string[]>>,
): CommonValues & Readonly<Record<string, unknown>> {
  const values: Record<string, unknown> = {};
  for (const [name, arg] of Object.entries(flagsOf(verb)))
    values[name] = arg.read(words[name] ?? [], `--${kebab(name)}`);
  for (const [name, arg] of Object.entries(verb.takes)) values[name] = arg.read(words[name] ?? [], name);
  return values as CommonValues & Readonly<Record<string, unknown>>;
}

/** The command as it can be given again. */
const commandLine = (argv: readonly string[]): string =>
  ['pare', ...argv.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))].join(
    ' ',
  );

async function overview(version: string): Promise<string> {
  const all = await Promise.all(Object.values(verbs).map((load) => load()));
  const width = Math.max(...all.map(({ name }) => name.length));
  return [
    `pare ${version}: makes neural networks small and fast, and shows what that cost.`,
    '',
    'Usage  pare VERB … [flags]      pare VERB --help says more',
    '',
    ...all.map(({ name, about }) => `  ${name.padEnd(width)}  ${about}`),
    '',
    ...all.slice(0, 3).map(({ example }) => `  $ ${example}`),
    '',
  ].join('\n');
}
