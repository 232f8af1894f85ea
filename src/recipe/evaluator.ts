/** Sub-graphs of constants, computed by the engine as they are written. */

import type { Evaluate } from '../rewrite/index.ts';
import type { Lab } from '../runtime/index.ts';
import { loadModel } from '../runtime/load-model.ts';

export const evaluator =
  (lab: Lab): Evaluate =>
  async (part) => {
    using session = await loadModel(lab.engine, part, { optimize: 'none' });
    return session.run({}, undefined, lab.signal);
  };
