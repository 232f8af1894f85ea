/** Brings a graph of standard ops into the forms that the engine at hand runs fastest. Only for graphs that are run, never written. */

import type { Graph } from '../../graph/model.ts';
import { blockLayout } from './blocked-layout.ts';
import { FORMS } from './forms.ts';

/** `blockSize` is the engine's NCHWc block (8 or 16), 0 where it has none. */
export const lower = (graph: Graph, blockSize: number): Graph =>
  blockSize > 0 ? blockLayout(graph, blockSize) : graph;

/** Has an op of our own a form for the engine? Then it is expanded behind `lower`, where it is left. */
export const isLowered = ({ type, domain }: { readonly type: string; readonly domain: string }): boolean =>
  FORMS.has(`${domain}/${type}`);
