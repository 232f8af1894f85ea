/** What the engine makes of a model: the graph as it optimised it, counted by kernel. */

import type { Model } from '../graph/model.ts';
import { nodeOps } from '../onnx/node-ops.ts';
import { type Lab, lanesOf, type Session } from '../runtime/index.ts';
import { loadModel } from '../runtime/load-model.ts';
import { CALM } from './calm.ts';

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

/** A loaded model, and the engine's graph of it; undefined where the engine cannot show it (WASM, browsers). */
export interface Viewed extends Disposable {
  readonly session: Session;
  readonly view?: EngineView;
}

/** Loads the model, once for looking at it and for running it. */
export async function openViewed(model: Model, lab: Pick<Lab, 'engine' | 'threads' | 'replicas'>): Promise<Viewed> {
  const { hands: _, ...how } = lanesOf(lab);
  if (lab.engine.name !== 'native' || typeof process === 'undefined') {
    const session = await loadModel(lab.engine, model, { ...how, config: CALM });
    return { session, [Symbol.dispose]: () => session[Symbol.dispose]() };
  }
  const fs = process.getBuiltinModule('node:fs');
  const os = process.getBuiltinModule('node:os');
  const path = process.getBuiltinModule('node:path');
  const file = path.join(os.tmpdir(), `.pare-${process.pid}-${Math.random().toString(36).slice(2, 10)}.onnx`);
  try {
    const session = await loadModel(lab.engine, model, { ...how, config: CALM, optimizedPath: file });
    const view = counted(nodeOps(fs.readFileSync(file)));
    return { session, view, [Symbol.dispose]: () => session[Symbol.dispose]() };
  } finally {
    fs.rmSync(file, { force: true });
  }
}

/** What the engine makes of a model; undefined where it cannot show that. */
export async function viewOf(model: Model, lab: Pick<Lab, 'engine'>): Promise<EngineView | undefined> {
  using viewed = await openViewed(model, lab);
  return viewed.view;
}

function counted(nodes: readonly string[]): EngineView {
  const ops: Record<string, number> = {};
  for (const op of nodes) ops[op] = (ops[op] ?? 0) + 1;
  const sum = (test: (op: string) => boolean): number =>
    Object.entries(ops).reduce((n, [op, count]) => n + (test(op) ? count : 0), 0);
  return {
    ops,
    integer: sum((op) => INTEGER.test(op)),
    conversions: sum((op) => op === 'QuantizeLinear' || op === 'DequantizeLinear'),
  };
}
