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
export type Taps = (place: StaticValue, length: number, g: Builder) => readonly Tap[];

/** A tap at a whole place; outside the map it weighs nothing. */
function tapAt(at: StaticValue, share: StaticValue | undefined, length: number, g: Builder): Tap {
  const inside = g.Clip(at, 0, length - 1);
  const isInside = g.Cast(g.Equal(at, inside), { to: 1 });
  return { at: inside, weight: share ? g.Mul(share, isInside) : isInside };
}

export const linear: Taps = (place, length, g) => {
  const low = g.Floor(place);
  const beyond = g.Sub(place, low);
  return [tapAt(low, g.Sub(1, beyond), length, g), tapAt(g.Add(low, 1), beyond, length, g)];
};

export const nearest: Taps = (place, length, g) => [tapAt(g.Round(place), undefined, length, g)];

const A = -0.75;

export const cubic: Taps = (place, length, g) => {
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
  return weights.map((weight, i) => tapAt(g.Add(low, i - 1), weight, length, g));
};

/**
 * X [B, C, ...size] at `places`, one value [B, 1, P] for each axis of `size`; Y [B, C, P].
 */
export function interpolated(X: StaticValue, places: readonly StaticValue[], taps: Taps, g: Builder): StaticValue {
  const [batch, channels, ...size] = X.dims as [number, number, ...number[]];
  const count = places[0]!.dims[2]!;
  const flat = g.reshape(X, [batch, channels, size.reduce((product, dim) => product * dim, 1)]);
  const axes = places.map((place, axis) => taps(place, size[axis]!, g));
  return choices(axes)
    .map((chosen) => {
      const index = chosen.reduce<StaticValue | undefined>(
        (sum, { at }, axis) => (sum ? g.Add(g.Mul(sum, size[axis]!), at) : at),
        undefined,
      )!;
      const wide = g.Expand(g.Cast(index, { to: 7 }), g.ints([batch, channels, count]));
      const weight = chosen.map((tap) => tap.weight).reduce((a, b) => g.Mul(a, b));
      return g.Mul(g.GatherElements(flat, wide, { axis: 2 }), weight);
    })
    .reduce((a, b) => g.Add(a, b));
}

/** Every choice of one tap an axis. */
const choices = (axes: readonly (readonly Tap[])[]): Tap[][] =>
  axes.reduce<Tap[][]>((chosen, taps) => chosen.flatMap((some) => taps.map((one) => [...some, one])), [[]]);
