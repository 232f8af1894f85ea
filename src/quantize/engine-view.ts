/** What the engine makes of a model: the graph as it optimised it, counted by kernel. */

import type { Model } from '../graph/model.ts';
import { readModel } from '../onnx/read.ts';
import { writeModel } from '../onnx/write.ts';
import type { Lab } from '../runtime/index.ts';

/** Kernels of ONNX Runtime that work on integers. */
const INTEGER =
  /^(QLinear|QGemm|NhwcMaxPool|QAttention|DynamicQuantize(MatMul|LSTM)|.*Integer|MatMulNBits|.*Quantized)/;

export interface EngineView {
  /** Nodes by op, as the engine runs them. */
  readonly ops: Readonly<Record<string, number>>;
  /** Those that work on integers. */
  readonly integer: number;
  /** Nodes that go between floats and integers. */
  readonly conversions: number;
}

/** Loads the model and reads back the engine's graph; undefined where the engine cannot show it (WASM, browsers). */
export async function viewOf(model: Model, { engine }: Pick<Lab, 'engine'>): Promise<EngineView | undefined> {
  if (engine.name !== 'native' || typeof process === 'undefined') return undefined;
  const fs = process.getBuiltinModule('node:fs/promises');
  const os = process.getBuiltinModule('node:os');
  const path = process.getBuiltinModule('node:path');
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'pare-'));
  try {
    const file = path.join(folder, 'optimized.onnx');
    using _ = await engine.load(writeModel(model), { optimizedPath: file });
    const { graph } = readModel(new Uint8Array(await fs.readFile(file)));
    const ops: Record<string, number> = {};
    for (const { op } of graph.nodes) ops[op] = (ops[op] ?? 0) + 1;
    const sum = (test: (op: string) => boolean): number =>
      Object.entries(ops).reduce((n, [op, count]) => n + (test(op) ? count : 0), 0);
    return {
      ops,
      integer: sum((op) => INTEGER.test(op)),
      conversions: sum((op) => op === 'QuantizeLinear' || op === 'DequantizeLinear'),
    };
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}
