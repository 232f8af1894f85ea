/** Factorisations by name. */

import { channel } from './channel.ts';
import { cp } from './cp.ts';
import type { Scheme } from './scheme.ts';
import { separable } from './separable.ts';
import { spatial } from './spatial.ts';
import { tucker } from './tucker.ts';

/** Every factorisation by the name that command line and recipes accept. */
export const schemes = { svd: channel, spatial, tucker, cp, separable } as const satisfies Record<string, Scheme>;

export type SchemeName = keyof typeof schemes;
