/** A few words of the WebAssembly binary format: enough to write one function that streams over memory. */

/** Bytes of a module part; parts nest, and are flattened once at the end. */
export type Code = readonly (number | Code)[];

export const I32 = 0x7f;
export const F32 = 0x7d;
export const V128 = 0x7b;

/** Unsigned LEB128: seven bits a byte, low bits first. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low + 128 : low);
  } while (rest > 0);
  return bytes;
}

/** Signed LEB128 of a 32-bit integer. */
export function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && !(low & 0x40)) || (rest === -1 && low & 0x40)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];

/** Instructions by their names in the specification. */
export const op = {
  get: (local: number): Code => [0x20, unsigned(local)],
  set: (local: number): Code => [0x21, unsigned(local)],
  tee: (local: number): Code => [0x22, unsigned(local)],
  i32: (value: number): Code => [0x41, signed(value)],
  i32Add: [0x6a] as Code,
  i32Sub: [0x6b] as Code,
  i32And: [0x71] as Code,
  i32GeU: [0x4f] as Code,
  i32LtU: [0x49] as Code,
  i32Load: (offset: number): Code => [0x28, 2, unsigned(offset)],
  i32Store: (offset: number): Code => [0x36, 2, unsigned(offset)],
  /** `body` again and again while `condition` leaves something other than 0. */
  loopWhile: (condition: Code, body: Code): Code => [
    ...[0x02, 0x40, 0x03, 0x40],
    [condition, 0x45, 0x0d, 1],
    [body, 0x0c, 0],
    ...[0x0b, 0x0b],
  ],
  /** `body` once when the i32 on the stack is not 0. */
  when: (body: Code): Code => [0x04, 0x40, body, 0x0b],
  v128Load: (offset: number): Code => [simd(0), 4, unsigned(offset)],
  v128Store: (offset: number): Code => [simd(11), 4, unsigned(offset)],
  v128Zero: [simd(12), new Array<number>(16).fill(0)] as Code,
  f64Store: (offset: number): Code => [0x39, 3, unsigned(offset)],
  f64Add: [0xa0] as Code,
  f64x2Lane: (lane: number): Code => [simd(0x21), lane],
  f32x4Splat: simd(0x13) as Code,
  i32x4Splat: simd(0x11) as Code,
  i32x4GtS: simd(0x3b) as Code,
  i32x4Eq: simd(0x37) as Code,
  i32x4Add: simd(0xae) as Code,
  i32x4Sub: simd(0xb1) as Code,
  /** By the i32 on top of the stack. */
  i32x4Shl: simd(0xab) as Code,
  i32x4Lane: (lane: number): Code => [simd(0x1b), lane],
  /** What no i32 can be becomes the nearest one, NaN 0. */
  i32x4FromF32x4: simd(0xf8) as Code,
  /** The four lane numbers 0, 1, 2, 3. */
  i32x4Lanes: [simd(12), [0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]] as Code,
  f32x4Gt: simd(0x44) as Code,
  f32x4Lt: simd(0x43) as Code,
  f32x4Eq: simd(0x41) as Code,
  f32x4Floor: simd(0x68) as Code,
  v128And: simd(0x4e) as Code,
  v128Select: simd(0x52) as Code,
  f64x2PromoteLow: simd(0x5f) as Code,
  f64x2Add: simd(0xf0) as Code,
  /** Moves the upper two 32-bit lanes down; a and b are the same vector. */
  shuffleHighDown: [simd(13), [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]] as Code,
  f32x4: {
    abs: simd(0xe0) as Code,
    neg: simd(0xe1) as Code,
    sqrt: simd(0xe3) as Code,
    add: simd(0xe4) as Code,
    sub: simd(0xe5) as Code,
    mul: simd(0xe6) as Code,
    div: simd(0xe7) as Code,
    min: simd(0xe8) as Code,
    max: simd(0xe9) as Code,
  },
} as const;

const flatten = (code: Code, into: number[] = []): number[] => {
  for (const part of code) {
    if (typeof part === 'number') into.push(part);
    else flatten(part, into);
  }
  return into;
};
const sized = (code: Code): Code => {
  const bytes = flatten(code);
  return [unsigned(bytes.length), bytes];
};
const vector = (items: readonly Code[]): Code => [unsigned(items.length), ...items];
const section = (id: number, code: Code): Code => [id, sized(code)];
const text = (value: string): Code => sized([...new TextEncoder().encode(value)]);

/**
 * A module that imports `env.memory` and exports one function, `run`.
 *
 * `params` are value types; `locals` are those of the function's own variables, numbered on from the parameters.
 * A shared memory must be imported as shared, so the module says which it is for.
 */
export function moduleOf({
  params,
  locals,
  body,
  shared,
}: {
  params: readonly number[];
  locals: readonly number[];
  body: Code;
  shared: boolean;
}): Uint8Array<ArrayBuffer> {
  return new Uint8Array(
    flatten([
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, vector([[0x60, vector(params.map((type) => [type])), vector([])]])),
      section(2, vector([[text('env'), text('memory'), 2, shared ? [3, 0, unsigned(65536)] : [0, 0]]])),
      section(3, vector([[0]])),
      section(7, vector([[text('run'), 0, 0]])),
      section(10, vector([sized([vector(locals.map((type) => [1, type])), body, 0x0b])])),
    ]),
  );
}
