/** A model into the engine: as bytes, or through a file when it is large. */

import type { Graph, Model } from '../graph/model.ts';
import { tensorBytes } from '../graph/tensor.ts';
import { writeModel, writeModelFile } from '../onnx/index.ts';
import { originOf } from '../onnx/origin.ts';
import { inOwnOpset } from '../ops/own-opset.ts';
import type { Engine, Session, SessionOptions } from './engine.ts';
import { quirksOf, withBiases, withQuirks } from './quirks.ts';

/** Weights of more bytes are mapped from a file: as bytes they would lie in memory two or three times. */
const LARGE = 2 ** 27;

/**
 * Loads a model that is a value, in the opset that it would be written in: some kernels differ between versions.
 *
 * One with more than 128 MB of weights goes through a temporary file, which is removed with the session: weights that
 * still lie in the file they were read from are mapped from there, if something may be written beside it; else all are
 * copied to the system's temporary folder. Such a session does not keep a second, repacked copy of its weights.
 *
 * Throws   engine/load with the engine's words; what writeModel and writeModelFile throw.
 */
export async function loadModel(engine: Engine, value: Model, given: SessionOptions = {}): Promise<Session> {
  const model = withBiases(inOwnOpset(value).model);
  const options = { ...given, config: withQuirks(given.config, quirksOf(model)) };
  if (engine.name !== 'native' || weightBytes(model.graph) <= LARGE) {
    // A model that is as it was read needs no second copy of its bytes.
    return engine.load(originOf(model)?.bytes ?? writeModel(model), options);
  }
  const { file, remove } = await throughFile(model);
  try {
    const config = { 'session.disable_prepacking': '1', ...options.config };
    const session = await engine.load(file, { ...options, config });
    return {
      ...session,
      [Symbol.dispose]() {
        session[Symbol.dispose]();
        remove();
      },
    };
  } catch (cause) {
    remove();
    throw cause;
  }
}

const weightBytes = ({ initializers }: Graph): number =>
  [...initializers.values()].reduce((sum, tensor) => sum + tensorBytes(tensor), 0);

/** The model in a file that nobody else knows of. */
async function throughFile(model: Model): Promise<{ file: string; remove: () => void }> {
  const [fs, path, os] = await Promise.all([import('node:fs'), import('node:path'), import('node:os')]);
  const name = `.pare-${process.pid}-${Math.random().toString(36).slice(2, 10)}.onnx`;
  const save = async (folder: string, remove: (file: string) => void) => {
    const file = path.join(folder, name);
    try {
      await writeModelFile(file, model, { externalAboveBytes: LARGE, shareData: true });
      return { file, remove: () => remove(file) };
    } catch (cause) {
      remove(file);
      throw cause;
    }
  };
  const home = homeOf(model.graph);
  if (home !== undefined && isWritable(fs, home)) {
    return save(home, (file) => {
      for (const path of [file, `${file}_data`]) fs.rmSync(path, { force: true });
    });
  }
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pare-'));
  return save(folder, () => fs.rmSync(folder, { recursive: true, force: true }));
}

function isWritable(fs: typeof import('node:fs'), folder: string): boolean {
  try {
    fs.accessSync(folder, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** The folder of the weights that lie in files, largest share first. */
function homeOf({ initializers }: Graph): string | undefined {
  const bytes = new Map<string, number>();
  for (const tensor of initializers.values()) {
    const place = originOf(tensor)?.place;
    if (!place?.path?.endsWith(place.location)) continue;
    const folder = place.path.slice(0, -place.location.length);
    bytes.set(folder, (bytes.get(folder) ?? 0) + tensorBytes(tensor));
  }
  return [...bytes].sort(([, a], [, b]) => b - a)[0]?.[0];
}
