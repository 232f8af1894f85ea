/** Where a run's figures are written as it goes. */

import type { EpochReport } from '../checkpoint.ts';

export interface TrainLog {
  /** Before the first update, or when a run goes on after `updates` updates: what was written of later ones is void. */
  start?(updates: number): void | Promise<void>;
  /** After every update: cheap, or not at all. */
  step?(updates: number, loss: number): void;
  epoch?(updates: number, report: EpochReport): void | Promise<void>;
  end?(): void | Promise<void>;
}
