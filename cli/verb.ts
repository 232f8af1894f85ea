/** A verb of the command line: what it takes, what it does, what it gives back. It never prints. */

import type { Paint, Table } from '../src/report/table.ts';
import type { Arg, Args, ValuesOf } from './arg.ts';
import type { CommonValues } from './common-args.ts';
import type { Desk } from './desk.ts';

/** What a verb gives back; `render` makes it words, or JSON. */
export interface Outcome {
  /** The result as JSON will hold it. */
  readonly result: Readonly<Record<string, unknown>>;
  /** The result as a terminal shows it, from top to bottom. */
  readonly shown: readonly Block[];
  /** Demanded bounds that were missed, in words: the work was done, and the program ends with 3. */
  readonly missed?: readonly string[];
}

/** What a rank has to say that is not the first. */
export const NOTHING: Outcome = { result: {}, shown: [] };

export type Block =
  | { readonly kind: 'title'; readonly text: string }
  | { readonly kind: 'text'; readonly text: string }
  /** What matters most. */
  | { readonly kind: 'gain'; readonly text: string }
  /** Names and values; undefined ones are left out. */
  | { readonly kind: 'facts'; readonly facts: readonly (readonly [string, string | undefined])[] }
  | ({ readonly kind: 'table' } & Table)
  /** Words made by another room, painted by the same terminal. */
  | { readonly kind: 'painted'; readonly paint: (paint: Paint) => string };

export interface VerbSpec<P extends Args, A extends Args> {
  readonly name: string;
  /** One sentence. */
  readonly about: string;
  readonly example: string;
  /** Positional arguments, in order; without `optional` they must be there. */
  readonly takes?: P;
  /** Flags beyond the common ones, by camelCase name: `maxDrop` is --max-drop. */
  readonly args?: A;
  /** All ranks of an MPI job work on it together; else the first does, and the others wait. Default false. */
  readonly isParallel?: boolean;
  readonly run: (values: ValuesOf<P> & ValuesOf<A> & CommonValues, desk: Desk) => Promise<Outcome>;
}

/** A verb as the program sees it, its argument types erased. */
export interface Verb {
  readonly name: string;
  readonly about: string;
  readonly example: string;
  readonly takes: Readonly<Record<string, Arg<unknown>>>;
  readonly args: Readonly<Record<string, Arg<unknown>>>;
  readonly isParallel: boolean;
  readonly run: (values: Readonly<Record<string, unknown>>, desk: Desk) => Promise<Outcome>;
}

/** Declares a verb; the arguments type what `run` receives. */
export const verb = <P extends Args = Record<never, never>, A extends Args = Record<never, never>>({
  takes,
  args,
  isParallel = false,
  run,
  ...rest
}: VerbSpec<P, A>): Verb => ({
  ...rest,
  takes: takes ?? {},
  args: args ?? {},
  isParallel,
  run: run as unknown as Verb['run'],
});
