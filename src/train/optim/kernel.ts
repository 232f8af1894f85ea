/**
 * Expressions compiled to one WebAssembly function that passes once over memory, four weights at a time, in place.
 *
 *   for each i:   load every slot that is read · compute · add to the sums · store every slot that is written
 *
 * Sums are kept in float64, two lanes for each, so that a norm over many millions of weights loses nothing.
 */

import { internal } from '../../base/error.ts';
import { type Code, F32, I32, moduleOf, op, V128 } from '../../base/wasm.ts';
import { type Expression, evaluator, walk } from './expression.ts';

/** What a kernel computes: new values of slots, and sums over the weights. */
export interface KernelSpec {
  readonly outputs: ReadonlyMap<string, Expression>;
  readonly sums: readonly Expression[];
}

export interface Kernel {
  /** Slots it touches, in the order of its pointers. */
  readonly slots: readonly string[];
  /** Uniform expressions that a call needs, in the order of its scalars. */
  readonly uniforms: readonly Expression[];
  /** What they are now. */
  scalars(scalars: (name: string) => number): number[];
  /**
   * Runs over `count` weights.
   *
   * `pointers` are byte addresses, one for each slot, multiples of 16; memory up to the next multiple of four weights is
   * read and written too. `sumsAt` is the byte address (multiple of 8) where the float64 sums go; padding is not summed.
   */
  run(count: number, sumsAt: number, pointers: readonly number[], scalars: readonly number[]): void;
}

/** Bytes that one call moves per weight: 4 for each slot read and each slot written. */
export const bytesPerWeight = ({ outputs, sums }: KernelSpec): number => {
  const read = walk([...outputs.values(), ...sums]).filter((node) => node.kind === 'slot').length;
  return 4 * (read + outputs.size);
};

/**
 * Compiles `spec` for `memory`.
 *
 * Cost     a millisecond or less; the module is a few hundred bytes.
 * Throws   internal/bug when an operation that only uniforms may use (pow, exp, log) is asked of weights.
 */
export function compile(spec: KernelSpec, memory: WebAssembly.Memory): Kernel {
  const outputs = [...spec.outputs];
  const roots = [...outputs.map(([, expression]) => expression), ...spec.sums];
  const nodes = walk(roots);
  const read = nodes.flatMap((node) => (node.kind === 'slot' ? [node.name] : []));
  const slots = [...new Set([...read, ...outputs.map(([name]) => name)])];
  // Only the outermost uniform expressions become parameters: those that a weight-wise operation or a root uses.
  const uniforms = [
    ...new Set(
      [...roots, ...nodes.flatMap((node) => (node.kind === 'operation' && !node.uniform ? node.args : []))].filter(
        (node) => node.uniform,
      ),
    ),
  ];

  // Parameters: count, sumsAt, pointers, scalars. Then the function's own variables.
  const COUNT = 0;
  const SUMS_AT = 1;
  const pointer = (slot: string): number => 2 + slots.indexOf(slot);
  const params = [I32, I32, ...slots.map(() => I32), ...uniforms.map(() => F32)];
  const locals: number[] = [];
  const local = (type: number): number => params.length + locals.push(type) - 1;
  const splat = new Map(uniforms.map((node) => [node, local(V128)]));
  const totals = spec.sums.map(() => [local(V128), local(V128)] as const);
  const mask = local(V128);
  const held = local(V128);
  const variable = new Map<Expression, number>();
  for (const node of nodes) if (!node.uniform) variable.set(node, local(V128));

  /** One vector of four weights, `offset` bytes on from the pointers. */
  const four = (offset: number, masked: boolean): Code => {
    const code: Code[] = [];
    const value = (node: Expression): Code => op.get((splat.get(node) ?? variable.get(node))!);
    for (const node of nodes) {
      if (node.uniform) continue;
      const result = op.set(variable.get(node)!);
      if (node.kind === 'slot') code.push([op.get(pointer(node.name)), op.v128Load(offset), result]);
      else if (node.kind === 'operation') code.push([operation(node.op, node.args.map(value)), result]);
    }
    spec.sums.forEach((node, i) => {
      const [low, high] = totals[i]!;
      code.push(value(node), masked ? [op.get(mask), op.v128And] : [], op.set(held));
      code.push([op.get(low), op.get(held), op.f64x2PromoteLow, op.f64x2Add, op.set(low)]);
      code.push([op.get(high), op.get(held), op.get(held), op.shuffleHighDown]);
      code.push([op.f64x2PromoteLow, op.f64x2Add, op.set(high)]);
    });
    for (const [name, node] of outputs) code.push([op.get(pointer(name)), value(node), op.v128Store(offset)]);
    return code;
  };
  const forward = (weights: number): Code => [
    slots.map((slot) => [op.get(pointer(slot)), op.i32(4 * weights), op.i32Add, op.set(pointer(slot))]),
    [op.get(COUNT), op.i32(weights), op.i32Sub, op.set(COUNT)],
  ];
  const atLeast = (weights: number): Code => [op.get(COUNT), op.i32(weights), op.i32GeU];

  const body: Code = [
    uniforms.map((node, i) => [op.get(2 + slots.length + i), op.f32x4Splat, op.set(splat.get(node)!)]),
    op.loopWhile(atLeast(8), [four(0, false), four(16, false), forward(8)]),
    op.loopWhile(atLeast(4), [four(0, false), forward(4)]),
    // One to three weights are left: compute all four lanes, count only the real ones.
    [op.get(COUNT), op.when([laneMask(COUNT), op.set(mask), four(0, true)])],
    totals.map(([low, high], i) => [
      [op.get(SUMS_AT), op.get(low), op.get(high), op.f64x2Add, op.set(held)],
      [op.get(held), op.f64x2Lane(0), op.get(held), op.f64x2Lane(1), op.f64Add, op.f64Store(8 * i)],
    ]),
  ];

  const shared = !(memory.buffer instanceof ArrayBuffer);
  const module = new WebAssembly.Module(moduleOf({ params, locals, body, shared }));
  const { run } = new WebAssembly.Instance(module, { env: { memory } }).exports as {
    run: (...numbers: number[]) => void;
  };
  return {
    slots,
    uniforms,
    scalars: evaluator(uniforms),
    run: (count, sumsAt, pointers, scalars) => run(count, sumsAt, ...pointers, ...scalars),
  };
}

/** All bits set in lanes below the count. */
const laneMask = (count: number): Code => [op.get(count), op.i32x4Splat, op.i32x4Lanes, op.i32x4GtS];

const operation = (name: string, args: readonly Code[]): Code => {
  if (name === 'ifGreater') {
    const [a, b, x, y] = args as [Code, Code, Code, Code];
    return [x, y, a, b, op.f32x4Gt, op.v128Select];
  }
  if (Object.hasOwn(op.f32x4, name)) return [...args, op.f32x4[name as keyof typeof op.f32x4]];
  throw internal(`the operation ${name} is for numbers that all weights share, and was asked of single weights`);
};
