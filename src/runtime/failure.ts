/** The engine's own words as a PareError: what failed, and at which node. */

import { PareError } from '../base/error.ts';

/** The places where ONNX Runtime's messages name the node (the WASM build leaves most of them out). */
const NODE_NAMES = [
  /\bName:'([^']+)'/,
  /\bnode with name '([^']+)'/,
  /\bIn Node, \("([^"]+)"/,
  /\bNode ?\(([^)]+)\)/i,
  /\bError in Node:\s?(\S+)/,
];

/** What helps nobody outside the engine's own build: wrappers, source positions, C++ signatures, failed assertions. */
const NOISE = [
  /^(?:Can't create a session|failed to call \w+\(\))\. ERROR_CODE: \d+, ERROR_MESSAGE: /,
  /(?:[A-Za-z]:)?[\w./\\-]+\.(?:cc|h|cpp):\d+ /g,
  /(?:[\w:<>]+ )?onnxruntime::[^\n]*? was false\. /g,
  /(?:[\w:<>]+ )?onnxruntime::[\w:~<>]+\([^()]*\)(?: const)? /g,
];

const SHAPES = /\bshapes?\b|\bdimensions?\b/i;
const FIXED_INSIDE =
  'the file may fix a batch or a length inside that its inputs leave open: export it with dynamic axes, or feed what it was made for';

/** The node that an engine message names, if it names one. */
export function nodeIn(message: string): string | undefined {
  for (const pattern of NODE_NAMES) {
    const name = pattern.exec(message)?.[1];
    if (name) return name;
  }
  return undefined;
}

/** Whatever the engine threw, under `code`, with its words as the sentence. PareErrors pass unchanged. */
export function engineError(code: 'engine/load' | 'engine/run' | 'engine/device', thrown: unknown): PareError {
  if (thrown instanceof PareError) return thrown;
  const raw = thrown instanceof Error ? thrown.message : String(thrown);
  const words = NOISE.reduce((text, noise) => text.replace(noise, ''), raw).trim();
  const node = nodeIn(raw);
  return new PareError(code, words || 'The engine failed and gave no reason.', {
    ...(node && { where: node }),
    ...(code === 'engine/run' && SHAPES.test(words) && { hint: FIXED_INSIDE }),
    cause: thrown,
  });
}
