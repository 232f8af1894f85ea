/** A group of one: every collective is already done. */

import { internal } from '../base/error.ts';
import type { Collective } from './collective.ts';

const done = async (): Promise<void> => undefined;
const nobody = async (): Promise<void> => {
  throw internal('a group of one has nobody to send to');
};

/** The group of one rank, with which the same code runs unparallelised. */
export const alone = (): Collective => ({
  kind: 'alone',
  rank: 0,
  size: 1,
  allReduce: done,
  reduceScatter: done,
  allGather: done,
  allToAll: async (values, into) => into.set(values),
  broadcast: done,
  barrier: done,
  send: nobody,
  receive: nobody,
  split: async () => alone(),
  end: done,
  abort: (status = 1) => {
    process.exitCode = status;
  },
});
