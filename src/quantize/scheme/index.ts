/** The schemes by name. A new one is a file and a row here. */

import { bf16Scheme } from './bf16.ts';
import { bnb4Scheme } from './bnb4.ts';
import { dynamicScheme } from './dynamic.ts';
import { fp16Scheme } from './fp16.ts';
import { qatScheme } from './qat.ts';
import type { Scheme } from './scheme.ts';
import { staticScheme } from './static.ts';
import { weightOnlyScheme } from './weight-only.ts';

export type { Answer, Request, Scheme, Wish } from './scheme.ts';

export const schemes = {
  static: staticScheme,
  dynamic: dynamicScheme,
  'weight-only': weightOnlyScheme,
  bnb4: bnb4Scheme,
  fp16: fp16Scheme,
  bf16: bf16Scheme,
  qat: qatScheme,
} as const satisfies Record<string, Scheme>;

export type SchemeName = keyof typeof schemes;
