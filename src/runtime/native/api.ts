/** The part of ONNX Runtime's C API that Pare calls: each function's place in the `OrtApi` table, and its arguments. */

import type koffiModule from 'koffi';

export type Koffi = typeof koffiModule;
/** An address in native memory; 0n is null. */
export type Pointer = bigint;
/** Where a function writes one result. */
export type Out<T> = [T];

/**
 * Kinds: ptr any handle or memory (an address or a typed array) · str UTF-8 · strs a list of them · path as the platform spells paths ·
 * size size_t · i32 int or enum · out, outSize, outInt where a result goes.
 * The table only ever grows at its end, so the indexes hold for every later version.
 * Source: onnxruntime_c_api.h, struct OrtApi. Every function returns a status: 0, or an error to be read and released.
 */
const CALLS = {
  CreateEnv: [3, 'i32 str out'],
  CreateSession: [7, 'ptr path ptr out'],
  CreateSessionFromArray: [8, 'ptr ptr size ptr out'],
  CreateSessionOptions: [10, 'out'],
  SetOptimizedModelFilePath: [11, 'ptr path'],
  EnableProfiling: [14, 'ptr path'],
  DisableMemPattern: [17, 'ptr'],
  SetSessionGraphOptimizationLevel: [23, 'ptr i32'],
  SetIntraOpNumThreads: [24, 'ptr i32'],
  SessionGetInputCount: [30, 'ptr outSize'],
  SessionGetOutputCount: [31, 'ptr outSize'],
  SessionGetOverridableInitializerCount: [32, 'ptr outSize'],
  SessionGetInputTypeInfo: [33, 'ptr size out'],
  SessionGetOutputTypeInfo: [34, 'ptr size out'],
  SessionGetOverridableInitializerTypeInfo: [35, 'ptr size out'],
  SessionGetInputName: [36, 'ptr size ptr out'],
  SessionGetOutputName: [37, 'ptr size ptr out'],
  SessionGetOverridableInitializerName: [38, 'ptr size ptr out'],
  CreateRunOptions: [39, 'out'],
  RunOptionsSetTerminate: [46, 'ptr'],
  CreateTensorAsOrtValue: [48, 'ptr ptr size i32 out'],
  CreateTensorWithDataAsOrtValue: [49, 'ptr ptr size ptr size i32 out'],
  GetTensorMutableData: [51, 'ptr out'],
  GetStringTensorDataLength: [53, 'ptr outSize'],
  GetStringTensorContent: [54, 'ptr ptr size ptr size'],
  CastTypeInfoToTensorInfo: [55, 'ptr out'],
  GetOnnxTypeFromTypeInfo: [56, 'ptr outInt'],
  GetTensorElementType: [60, 'ptr outInt'],
  GetDimensionsCount: [61, 'ptr outSize'],
  GetDimensions: [62, 'ptr ptr size'],
  GetTensorTypeAndShape: [65, 'ptr out'],
  GetValueType: [67, 'ptr outInt'],
  CreateMemoryInfo: [68, 'str i32 i32 i32 out'],
  CreateCpuMemoryInfo: [69, 'i32 i32 out'],
  AllocatorFree: [76, 'ptr ptr'],
  GetAllocatorWithDefaultOptions: [78, 'out'],
  SessionEndProfiling: [110, 'ptr ptr out'],
  GetAvailableProviders: [125, 'out outInt'],
  ReleaseAvailableProviders: [126, 'ptr i32'],
  FillStringTensorElement: [129, 'ptr str size'],
  AddSessionConfigEntry: [130, 'ptr str str'],
  RunWithBinding: [133, 'ptr ptr ptr'],
  CreateIoBinding: [134, 'ptr out'],
  BindInput: [136, 'ptr str ptr'],
  BindOutput: [137, 'ptr str ptr'],
  BindOutputToDevice: [138, 'ptr str ptr'],
  GetBoundOutputValues: [140, 'ptr ptr out outSize'],
  CreateAndRegisterAllocator: [144, 'ptr ptr ptr'],
  CreateArenaCfg: [156, 'size i32 i32 i32 out'],
  HasValue: [192, 'ptr outInt'],
  SynchronizeBoundInputs: [202, 'ptr'],
  SynchronizeBoundOutputs: [203, 'ptr'],
  SessionOptionsAppendExecutionProvider_CUDA_V2: [204, 'ptr ptr'],
  CreateCUDAProviderOptions: [205, 'out'],
  UpdateCUDAProviderOptions: [206, 'ptr strs strs size'],
  SessionOptionsAppendExecutionProvider: [216, 'ptr str ptr ptr size'],
} as const;

/** Functions that cannot fail and return nothing. */
const RELEASES = {
  ReleaseStatus: [93, 'ptr'],
  ReleaseSession: [95, 'ptr'],
  ReleaseValue: [96, 'ptr'],
  ReleaseRunOptions: [97, 'ptr'],
  ReleaseMemoryInfo: [94, 'ptr'],
  ReleaseTypeInfo: [98, 'ptr'],
  ReleaseTensorTypeAndShapeInfo: [99, 'ptr'],
  ReleaseSessionOptions: [100, 'ptr'],
  ReleaseIoBinding: [135, 'ptr'],
  ReleaseArenaCfg: [157, 'ptr'],
  ReleaseCUDAProviderOptions: [208, 'ptr'],
} as const;

type Argument = Pointer | number | string | ArrayBufferView | readonly string[] | null | Out<Pointer> | Out<number>;
type Native = ((...args: Argument[]) => Pointer | number | string | null) & {
  async(...args: [...Argument[], (error: unknown, result: Pointer) => void]): void;
};

/** A call that throws an Error with the engine's message when the status says so. */
export interface Call {
  (...args: Argument[]): void;
  /** The same on a thread of koffi's pool. The arguments stay referenced until it settles. */
  later(...args: Argument[]): Promise<void>;
}

export type Api = { readonly [name in keyof typeof CALLS]: Call } & {
  readonly [name in keyof typeof RELEASES]: (handle: Pointer) => void;
} & {
  /** Is the rank of this type known? A missing shape and a scalar look alike otherwise. */
  readonly hasShape: (tensorInfo: Pointer) => boolean;
};

/** The oldest `OrtApi` that has every function above. */
const API_VERSION = 24;

const POINTER_BYTES = 8;

/** The function table of a loaded library. `base` is what `OrtGetApiBase` returned. */
export function bindApi(koffi: Koffi, base: Pointer): Api {
  const out = (type: string) => koffi.out(koffi.pointer(type));
  const types = {
    ptr: 'void *',
    str: 'str',
    strs: koffi.pointer('str'),
    path: process.platform === 'win32' ? 'str16' : 'str',
    size: 'size_t',
    i32: 'int',
    out: out('void *'),
    outSize: out('size_t'),
    outInt: out('int'),
  };
  const at = (table: Pointer, index: number, result: string, kinds: string): Native =>
    koffi.decode(
      koffi.decode(table, index * POINTER_BYTES, 'void *'),
      koffi.proto(
        result,
        kinds.split(' ').map((kind) => types[kind as keyof typeof types]),
      ),
    );

  const table = koffi.decode(
    koffi.decode(base, 0, 'void *'),
    koffi.proto('void *', ['uint32_t']),
  )(API_VERSION) as Pointer;
  const release = Object.fromEntries(
    Object.entries(RELEASES).map(([name, [i, kinds]]) => [name, at(table, i, 'void', kinds)]),
  );
  const message = at(table, 2, 'str', 'ptr');
  const hasShape = at(table, 390, 'bool', 'ptr');

  const check = (status: Pointer | null): void => {
    if (!status) return;
    const words = message(status) as string;
    release.ReleaseStatus!(status);
    throw new Error(words);
  };
  const inFlight = new Set<Argument[]>();
  const call = (native: Native): Call =>
    Object.assign((...args: Argument[]) => check(native(...args) as Pointer | null), {
      later: (...args: Argument[]) =>
        new Promise<void>((resolve, reject) => {
          inFlight.add(args);
          native.async(...args, (error, status) => {
            inFlight.delete(args);
            try {
              if (error) throw error;
              resolve(check(status));
            } catch (failure) {
              reject(failure);
            }
          });
        }),
    });

  const calls = Object.entries(CALLS).map(([name, [i, kinds]]) => [name, call(at(table, i, 'void *', kinds))]);
  return { ...Object.fromEntries(calls), ...release, hasShape: (info: Pointer) => Boolean(hasShape(info)) } as Api;
}
