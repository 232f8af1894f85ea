/**
 * A layer's integers as constants behind DequantizeLinear.
 *
 *   w: s8 → DQ(scale per channel)           b: s32 → DQ(s = sx · sw)
 */

import { factsOf } from '../graph/dtype.ts';
import type { Attr } from '../graph/model.ts';
import { float32, sizeOf, tensor } from '../graph/tensor.ts';
import type { IntegerLayer } from './integer-layer.ts';
import type { Scribe } from './scribe.ts';
import { INT4_LIMIT, packInt4 } from './weight.ts';

/** Names of what a layer reads in the place of its weight and its bias; `name` is its weight's, `axis` that of its channels. */
export function writeLayer(
  scribe: Scribe,
  name: string,
  axis: number,
  { isVector, limit, dims, codes, scales, bias }: IntegerLayer,
): { weight: string; bias?: string } {
  const scaleOf = (own: Float32Array): string =>
    isVector ? scribe.constant(`v${own.join()}`, () => float32([own.length], own)) : scribe.scalar(own[0]!);
  const scale = scaleOf(scales);
  const q = storedCodes(scribe, limit, `${name} ${scale} ${dims.join()}`, dims, codes);
  const zeroDims = isVector ? [scales.length] : [];
  const zero = scribe.constant(`z${zeroDims.join()}`, () => tensor('int8', zeroDims, new Int8Array(sizeOf(zeroDims))));
  const weight = dequantized(scribe, [q, scale, zero], isVector ? axis : undefined);
  if (!bias) return { weight };
  const step = scaleOf(bias.scales);
  const qb = scribe.fresh();
  scribe.initializers.set(qb, tensor('int32', [bias.codes.length], bias.codes));
  return { weight, bias: dequantized(scribe, [qb, step], isVector ? 0 : undefined) };
}

/** Codes as they are stored: narrow ones two to a byte, behind a Cast that engines fold when they load the file. */
function storedCodes(
  { constant, once, fresh, put }: Scribe,
  limit: number,
  key: string,
  dims: readonly number[],
  codes: Int8Array,
): string {
  if (limit > INT4_LIMIT) return constant(`w ${key}`, () => tensor('int8', dims, codes));
  const packed = constant(`w4 ${key}`, () => packInt4(dims, codes));
  return once(`c4 ${key}`, () => {
    const wide = fresh();
    put('Cast', [packed], wide, { to: { kind: 'int', value: factsOf('int8').code } });
    return wide;
  });
}

const dequantized = (
  { once, fresh, put }: Scribe,
  inputs: readonly [codes: string, scale: string, zero?: string],
  axis: number | undefined,
): string =>
  once(`d ${inputs[0]} ${inputs[1]}`, () => {
    const out = fresh();
    // The default axis of DequantizeLinear is 1.
    const attrs: Record<string, Attr> = axis === undefined || axis === 1 ? {} : { axis: { kind: 'int', value: axis } };
    put('DequantizeLinear', inputs as readonly string[], out, attrs);
    return out;
  });
