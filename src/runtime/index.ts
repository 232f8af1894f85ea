/** Running graphs: engines and sessions, latency, and the machine's profile. */

export { stopIfAborted } from './aborted.ts';
export { type Copier, openCopier } from './copier.ts';
export type {
  Binding,
  Device,
  Engine,
  EngineOptions,
  Feeds,
  Port,
  ProfileEvent,
  Resident,
  Session,
  SessionOptions,
  Values,
} from './engine.ts';
export { type Among, byFirst, inOrder, labOfPiece, lanesOf } from './in-order.ts';
export type { Lab, Progress } from './lab.ts';
export { type Case, type Latency, type MeasureOptions, measure, quantile } from './measure.ts';
export { type OpenOptions, openEngine } from './open.ts';
export { openProduct } from './product.ts';
export { coreCount, type Hardware, hardware } from './profile.ts';
export { type SteadyRun, steadyRun } from './steady-run.ts';
