/** The one door to whoever does the arithmetic. Nothing above this room knows which engine runs. */

// Disposable is among the types that callers see, whatever they compile for.
/// <reference lib="esnext.disposable" preserve="true" />

import type { DType } from '../graph/dtype.ts';
import type { Tensor } from '../graph/tensor.ts';

export type Feeds = Readonly<Record<string, Tensor>>;

/**
 * A tensor in the memory of the engine's device, where runs read it and write it: what `Session.keep` gives.
 *
 * Its numbers come back by a run that copies them into a tensor. Dispose it when done; its session lives on until then.
 */
export interface Resident extends Disposable {
  readonly dtype: DType;
  readonly dims: readonly number[];
}

/** What a binding ties to a session: JavaScript's memory, or the device's. */
export type Values = Readonly<Record<string, Tensor | Resident>>;

export interface SessionOptions {
  /** Intra-op threads; default: the engine's own. */
  threads?: number;
  /** 'none' for training graphs (same speed, much faster to load), 'all' for inference. Default 'all'. */
  optimize?: 'none' | 'basic' | 'extended' | 'all';
  /** Engine settings by their ONNX Runtime name, such as `session.disable_quant_qdq`. */
  config?: Readonly<Record<string, string>>;
  /**
   * What a run computes and nobody asks for lies in memory that all sessions share which say so (native only): for graphs that run one
   * after the other. Default: each session keeps its own.
   */
  sharesMemory?: boolean;
  /**
   * From its second run on the engine keeps one block of memory for all that a run of these sizes computes, beside what the first run took.
   * False: less memory, and no slower where runs are long. Default true.
   */
  plansMemory?: boolean;
  /** Where the engine writes the graph as it optimised it (native only). */
  optimizedPath?: string;
  /** Turn on the engine's per-node profile; `profile()` then returns it (native only). */
  profile?: boolean;
}

export interface Port {
  readonly name: string;
  readonly dtype?: DType;
  /** -1 where the size is symbolic. */
  readonly dims?: readonly number[];
}

/**
 * A loaded graph. Dispose it (`using session = …`) when done: twice is once, and what a run in flight still needs
 * lives until that run ends. A session that was disposed answers engine/disposed.
 */
export interface Session extends Disposable {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /**
   * Runs once and returns fresh tensors: all outputs that are tensors, or those named in `fetches`.
   * Does not block JavaScript where the engine can help it; stops early when `signal` aborts (native only: WASM ends the run first).
   * Throws   engine/run with the engine's words and the node's name; engine/feed for a missing or ill-typed input;
   *          work/aborted when `signal` aborts (its reason is the cause); engine/type for a named output that is no tensor, or when none is.
   */
  run(feeds: Feeds, fetches?: readonly string[], signal?: AbortSignal): Promise<Record<string, Tensor>>;
  /**
   * Runs once, as `run` does, and leaves the outputs where the device works.
   *
   * Throws   as `run`; engine/type for strings.
   */
  keep(feeds: Values, fetches: readonly string[]): Promise<Record<string, Resident>>;
  /**
   * Fixes memory for inputs and outputs; each `run` of the binding then moves no data that it need not.
   * Bytes that are not aligned to their dtype are copied at each run. An output may be an input's own memory.
   *
   * Throws   engine/feed as `run` does, for `fetches` too; engine/type for a string output.
   */
  bind(feeds: Values, fetches: Values): Binding;
  /** Ends profiling and returns the engine's trace events, in order. Present where `profile` was asked for and is possible. */
  profile?(): readonly ProfileEvent[];
}

/** Inputs and outputs tied to memory that the caller owns. On the processor the native engine reads and writes that very memory; others copy. */
export interface Binding extends Disposable {
  /**
   * Runs once on a thread of the engine's; JavaScript goes on. One run of a binding at a time.
   *
   * Throws   engine/busy while its last run has not ended; otherwise as Session.run.
   */
  run(signal?: AbortSignal): Promise<void>;
  /** Runs once and blocks: cheaper for runs far below a millisecond. Absent where the engine cannot. */
  runSync?(): void;
}

export interface ProfileEvent {
  readonly node: string;
  readonly op: string;
  readonly durationUs: number;
}

/** Where the arithmetic happens. */
export type Device = 'cpu' | 'cuda' | 'webgpu';

export interface EngineOptions {
  /** Default 'cpu'. Any other throws engine/device where it cannot be had. */
  device?: Device;
  /** Which of several devices of that kind. Default 0; CUDA only. */
  index?: number;
  /** Intra-op threads of each session that does not say; default: one per core. WASM: fixed by the first engine of the process. */
  threads?: number;
}

export interface Engine extends Disposable {
  /** 'native' (ONNX Runtime's C library) or 'wasm' (onnxruntime-web). */
  readonly name: 'native' | 'wasm';
  readonly version: string;
  readonly device: Device;
  /** Intra-op threads of a session that does not say. */
  readonly threads: number;
  /** The engine's execution providers, by their ONNX Runtime names, best first (built in, which is not yet usable here). */
  readonly providers: readonly string[];
  /** Why this engine and not the faster one; undefined when it is the faster one. */
  readonly fallbackReason?: string;
  /** Channels per block of the engine's NCHWc convolution (8 or 16), or 0 where it has none. */
  readonly blockSize: number;
  /** Loads ONNX bytes, or a file by its path (needed for external data). Throws engine/load with the engine's words. */
  load(model: Uint8Array | string, options?: SessionOptions): Promise<Session>;
}
