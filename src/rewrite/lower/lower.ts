/** Brings a graph of standard ops into the forms that the engine at hand runs fastest. Only for graphs that are run, never written. */

import type { Graph } from '../../graph/model.ts';
import { blockConvolutions } from './blocked-conv.ts';

/** `blockSize` is the engine's NCHWc block (8 or 16), 0 where it has none. */
export const lower = (graph: Graph, blockSize: number): Graph =>
  blockSize > 0 ? blockConvolutions(graph, blockSize) : graph;
