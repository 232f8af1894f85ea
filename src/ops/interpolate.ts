/**
 * Maps read at places between their pixels, as primitives through which slopes reach the map and the places.
 *
 *   Y = Σ over the taps around p:  Π w · X[tap];     linear: 2 taps an axis, cubic: 4 (Keys 1981, a = −3/4), nearest: 1
 */

import type { Builder } from './builder.ts';
import type { StaticValue } from './op.ts';

export interface Tap {
  /** A whole pixel inside the map. */
  readonly at: StaticValue;
  /** 0 where the tap lies outside. */
  readonly weight: StaticValue;
}

/** The taps of each place along an axis of this length. */
export type Taps = (place: StaticValue, length: number, g: Builder, beyond?: Beyond) => readonly Tap[];

/** What is read at a whole place that may lie outside the map. */
export type Beyond = (at: StaticValue, length: number, g: Builder) => { at: StaticValue; isInside?: StaticValue };

/** Nothing. */
export const zeros: Beyond = (at, length, g) => {
  const inside = g.Clip(at, 0, length - 1);
  return { at: inside, isInside: g.Cast(g.Equal(at, inside), { to: 1 }) };
};

/** The pixel at the border. */
export const border: Beyond = (at, length, g) => ({ at: g.Clip(at, 0, length - 1) });

/**
 * The map in a mirror, over and over: at the middle of its last pixels, or at their outer edges.
 *
 *   t = (p − low) mod 2r;  p ← low + r − |t − r|        r the length between the mirrors
 */
export const mirrored =
  (atMiddles: boolean): Beyond =>
  (at, length, g) => {
    const [low, range] = atMiddles ? [0, length - 1] : [-0.5, length];
    if (range === 0) return border(at, length, g);
    const from = g.Sub(at, low);
    const turn = g.Sub(from, g.Mul(g.Floor(g.Div(from, 2 * range)), 2 * range));
    return { at: g.Clip(g.Sub(low + range, g.Abs(g.Sub(turn, range))), 0, length - 1) };
  };

function tapAt(
  place: StaticValue,
  share: StaticValue | undefined,
  length: number,
  g: Builder,
  beyond: Beyond = zeros,
): Tap {
  const { at, isInside } = beyond(place, length, g);
  return { at, weight: share && isInside ? g.Mul(share, isInside) : (share ?? isInside ?? g.scalar(1)) };
}

export const linear: Taps = (place, length, g, beyond) => {
  const low = g.Floor(place);
  const past = g.Sub(place, low);
  return [tapAt(low, g.Sub(1, past), length, g, beyond), tapAt(g.Add(low, 1), past, length, g, beyond)];
};

export const nearest: Taps = (place, length, g, beyond) => [tapAt(g.Round(place), undefined, length, g, beyond)];

const A = -0.75;

export const cubic: Taps = (place, length, g, beyond) => {
  const low = g.Floor(place);
  const t = g.Sub(place, low);
  // Horner: ((c₃·t + c₂)·t + c₁)·t + c₀
  const polynomial = (...[first, ...rest]: readonly [number, ...number[]]): StaticValue =>
    rest.reduce<StaticValue | number>((sum, next) => g.Add(g.Mul(t, sum), next), first) as StaticValue;
  const weights = [
    polynomial(A, -2 * A, A, 0),
    polynomial(A + 2, -(A + 3), 0, 1),
    polynomial(-(A + 2), 2 * A + 3, -A, 0),
    polynomial(-A, A, 0, 0),
  ];
  return weights.map((weight, i) => tapAt(g.Add(low, i - 1), weight, length, g, beyond));
};

/**
 * X [B, C, ...size] at `places`, one value [B, 1, P] for each axis of `size`; Y [B, C, P].
 */
export function interpolated(
  X: StaticValue,
  places: readonly StaticValue[],
  taps: Taps,
  g: Builder,
  beyond?: Beyond,
): StaticValue {
  return corners(X, places, taps, g, beyond).reduce((a, b) => g.Add(a, b));
}

/** What each choice of one tap an axis adds to the sum above: [B, C, P] each. */
export function corners(
  X: StaticValue,
  places: readonly StaticValue[],
  taps: Taps,
  g: Builder,
  beyond?: Beyond,
): StaticValue[] {
  const [batch, channels, ...size] = X.dims as [number, number, ...number[]];
  const count = places[0]!.dims[2]!;
  const flat = g.reshape(X, [batch, channels, size.reduce((product, dim) => product * dim, 1)]);
  const axes = places.map((place, axis) => taps(place, size[axis]!, g, beyond));
  return choices(axes).map((chosen) => {
    const index = chosen.reduce<StaticValue | undefined>(
      (sum, { at }, axis) => (sum ? g.Add(g.Mul(sum, size[axis]!), at) : at),
      undefined,
    )!;
    const wide = g.Expand(g.Cast(index, { to: 7 }), g.ints([batch, channels, count]));
    const weight = chosen.map((tap) => tap.weight).reduce((a, b) => g.Mul(a, b));
    return g.Mul(g.GatherElements(flat, wide, { axis: 2 }), weight);
  });
}

/** Every choice of one tap an axis. */
const choices = (axes: readonly (readonly Tap[])[]): Tap[][] =>
  axes.reduce<Tap[][]>((chosen, taps) => chosen.flatMap((some) => taps.map((one) => [...some, one])), [[]]);
