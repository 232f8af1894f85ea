/**
 * One block of memory for everything an optimiser touches: weights, gradients and state, so that an update is in place.
 *
 *   [ scratch | w: p0 p1 … | g: p0 p1 … | state: p0 p1 … | … ]
 *
 * Every segment has the same plan, every parameter starts on a cache line, and the memory never grows: views stay valid,
 * and an engine that can write into them needs no copy.
 */

import { PareError } from '../../base/error.ts';
import { showBytes } from '../../base/unit.ts';

/** Weights in a cache line: parameters are padded to a multiple of it with zeros. */
const LINE = 16;
/** Room for 64 float64 sums in front of the segments. */
const SCRATCH_BYTES = 512;
const PAGE_BYTES = 65536;
/** What a 32-bit address can reach. */
const MOST_BYTES = 2 ** 32;

export interface ParameterSpec {
  readonly name: string;
  /** Number of weights. */
  readonly length: number;
  /** Its axes, for optimisers that see matrices. Default: a vector. */
  readonly dims?: readonly number[];
}

export interface Placement extends ParameterSpec {
  /** Weights from the start of any segment. */
  readonly offset: number;
}

export interface Arena {
  readonly memory: WebAssembly.Memory;
  readonly parameters: readonly Placement[];
  /** Names of all segments: `w`, `g`, then the state slots. */
  readonly slots: readonly string[];
  /** Where, in weights, the next parameter begins: the end of this one and its padding. */
  after(placement: Placement): number;
  /** Byte address of a segment. Throws optim/slot. */
  at(slot: string): number;
  /** A parameter's numbers in a segment, not a copy. Throws optim/slot, optim/parameter. */
  view(slot: string, parameter: string): Float32Array;
  /** A whole segment, padding included, not a copy. Throws optim/slot. */
  segment(slot: string): Float32Array;
  /** Byte address where kernels leave their sums, and the sums. */
  readonly sumsAt: number;
  readonly sums: Float64Array;
}

const after = ({ offset, length }: Placement): number => offset + Math.ceil(length / LINE) * LINE;

/**
 * Lays out the parameters of a model, with a segment for each state slot of its optimiser.
 *
 * Units    16 bytes a weight for Adam (w, g, m, v): about 250 million weights at most.
 * Throws   optim/too-large above 4 GB; optim/parameter for a length that is no whole number or a name that comes twice.
 *
 * @example
 * const arena = createArena([{ name: 'fc.weight', length: 512 }], { slots: adam().slots });
 * arena.view('w', 'fc.weight').set(weights);
 */
export function createArena(
  specs: readonly ParameterSpec[],
  { slots: state = [], shared = false }: { slots?: readonly string[]; shared?: boolean } = {},
): Arena {
  const slots = ['w', 'g', ...state];
  const parameters: Placement[] = [];
  const byName = new Map<string, Placement>();
  let length = 0;
  for (const { name, length: own, dims } of specs) {
    if (!Number.isInteger(own) || own < 0 || byName.has(name)) {
      throw new PareError('optim/parameter', `Parameter "${name}" cannot be laid out.`, {
        where: name,
        expected: 'a new name and a whole number of weights',
        got: byName.has(name) ? 'the name a second time' : `${own}`,
      });
    }
    const placement = { name, length: own, offset: length, ...(dims && { dims }) };
    parameters.push(placement);
    byName.set(name, placement);
    length = after(placement);
  }

  // Segments of equal size would start on the same cache set and evict each other: each is moved on by some lines.
  const stride = 4 * length + 5 * 4 * LINE;
  const bytes = SCRATCH_BYTES + slots.length * stride;
  if (bytes > MOST_BYTES) {
    const fitting = Math.floor((MOST_BYTES - SCRATCH_BYTES) / stride) - 2;
    throw new PareError('optim/too-large', `The parameters and their state need ${showBytes(bytes)} in one block.`, {
      expected: `at most ${showBytes(MOST_BYTES)}`,
      got: `${length} weights in ${slots.length} segments (${slots.join(', ')})`,
      ...(fitting >= 0 && { hint: `an optimiser with ${fitting} state slots a weight would fit` }),
    });
  }
  const pages = Math.ceil(bytes / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared });

  const at = (slot: string): number => {
    const index = slots.indexOf(slot);
    if (index >= 0) return SCRATCH_BYTES + index * stride;
    throw new PareError('optim/slot', `The arena has no segment "${slot}".`, {
      expected: slots.join(', '),
      hint: "lay the arena out with the optimiser's own `slots`",
    });
  };
  return {
    memory,
    parameters,
    slots,
    after,
    at,
    view(slot, parameter) {
      const placement = byName.get(parameter);
      if (placement) return new Float32Array(memory.buffer, at(slot) + 4 * placement.offset, placement.length);
      throw new PareError('optim/parameter', `The arena has no parameter "${parameter}".`, { where: parameter });
    },
    segment: (slot) => new Float32Array(memory.buffer, at(slot), length),
    sumsAt: 0,
    sums: new Float64Array(memory.buffer, 0, SCRATCH_BYTES / 8),
  };
}
