/** How digits and letters are written: strokes through a few points, with the variants that hands have. */

/** Points x0, y0, x1, y1, …; x to the right and y down, the glyph fills 0 to 1. */
export interface Stroke {
  readonly smooth: boolean;
  readonly points: readonly number[];
}

const line = (...points: number[]): Stroke => ({ smooth: false, points });
const curve = (...points: number[]): Stroke => ({ smooth: true, points });

/** The ways to write each class, in class order. */
export const STROKES: Readonly<Record<string, readonly (readonly Stroke[])[]>> = {
  0: [[curve(0.5, 0, 0.15, 0.2, 0.06, 0.5, 0.15, 0.8, 0.5, 1, 0.85, 0.8, 0.94, 0.5, 0.85, 0.2, 0.5, 0)]],
  1: [
    [line(0.5, 0, 0.5, 1)],
    [line(0.3, 0.24, 0.55, 0, 0.55, 1)],
    [line(0.22, 0.25, 0.5, 0, 0.5, 1), line(0.18, 1, 0.82, 1)],
  ],
  2: [
    [curve(0.12, 0.25, 0.3, 0.03, 0.65, 0.02, 0.85, 0.28, 0.62, 0.58, 0.1, 1), line(0.1, 1, 0.92, 1)],
    [curve(0.12, 0.22, 0.45, 0, 0.85, 0.22, 0.6, 0.65, 0.2, 0.98, 0.16, 0.82, 0.45, 0.88, 0.92, 1)],
  ],
  3: [
    [curve(0.12, 0.12, 0.5, 0, 0.85, 0.22, 0.38, 0.47), curve(0.38, 0.47, 0.92, 0.7, 0.5, 1, 0.06, 0.87)],
    [line(0.12, 0, 0.85, 0, 0.42, 0.42), curve(0.42, 0.42, 0.92, 0.62, 0.6, 1, 0.08, 0.88)],
  ],
  4: [
    [line(0.68, 1, 0.68, 0, 0.06, 0.68, 0.96, 0.68)],
    [line(0.2, 0, 0.12, 0.55, 0.92, 0.55), line(0.74, 0.15, 0.68, 1)],
  ],
  5: [
    [line(0.86, 0, 0.22, 0, 0.17, 0.45), curve(0.17, 0.45, 0.55, 0.36, 0.92, 0.68, 0.55, 1, 0.08, 0.9)],
    [curve(0.8, 0.04, 0.3, 0.08, 0.22, 0.4, 0.7, 0.45, 0.88, 0.75, 0.5, 1, 0.1, 0.88)],
  ],
  6: [[curve(0.78, 0.02, 0.3, 0.25, 0.1, 0.65, 0.3, 0.97, 0.7, 0.97, 0.9, 0.7, 0.6, 0.48, 0.16, 0.64)]],
  7: [
    [line(0.08, 0, 0.92, 0, 0.4, 1)],
    [line(0.08, 0, 0.92, 0, 0.4, 1), line(0.3, 0.5, 0.85, 0.5)],
    [line(0.1, 0.16, 0.1, 0, 0.9, 0), curve(0.9, 0, 0.6, 0.45, 0.5, 1)],
  ],
  8: [
    [curve(0.5, 0.47, 0.18, 0.24, 0.5, 0, 0.82, 0.24, 0.5, 0.47, 0.1, 0.75, 0.5, 1, 0.9, 0.75, 0.5, 0.47)],
    [curve(0.8, 0.12, 0.4, 0.02, 0.22, 0.28, 0.8, 0.68, 0.5, 1, 0.15, 0.75, 0.55, 0.45, 0.8, 0.12)],
  ],
  9: [
    [curve(0.85, 0.3, 0.5, 0.52, 0.12, 0.28, 0.45, 0, 0.82, 0.12, 0.85, 0.3, 0.8, 0.65, 0.55, 1)],
    [curve(0.82, 0.25, 0.5, 0.5, 0.12, 0.26, 0.48, 0, 0.82, 0.25), line(0.82, 0.2, 0.78, 1)],
  ],
  A: [
    [line(0.04, 1, 0.5, 0, 0.96, 1), line(0.22, 0.62, 0.78, 0.62)],
    [curve(0.06, 1, 0.15, 0.3, 0.5, 0, 0.85, 0.3, 0.94, 1), line(0.1, 0.58, 0.9, 0.58)],
  ],
  C: [[curve(0.9, 0.2, 0.55, 0, 0.14, 0.25, 0.1, 0.72, 0.52, 1, 0.92, 0.82)]],
  E: [
    [line(0.88, 0, 0.12, 0, 0.12, 1, 0.9, 1), line(0.12, 0.48, 0.74, 0.48)],
    [curve(0.86, 0.12, 0.45, 0, 0.2, 0.25, 0.55, 0.46), curve(0.55, 0.46, 0.08, 0.62, 0.35, 1, 0.9, 0.88)],
  ],
  F: [[line(0.9, 0, 0.14, 0, 0.14, 1), line(0.14, 0.48, 0.76, 0.48)]],
  H: [
    [line(0.1, 0, 0.1, 1), line(0.9, 0, 0.9, 1), line(0.1, 0.5, 0.9, 0.5)],
    [line(0.16, 0, 0.16, 1), curve(0.16, 0.7, 0.45, 0.46, 0.8, 0.6, 0.84, 1)],
  ],
  K: [
    [line(0.12, 0, 0.12, 1), line(0.88, 0, 0.12, 0.58), line(0.38, 0.4, 0.92, 1)],
    [line(0.12, 0, 0.12, 1), line(0.85, 0, 0.14, 0.5, 0.9, 1)],
  ],
  P: [[line(0.15, 1, 0.15, 0), curve(0.15, 0, 0.62, 0, 0.92, 0.26, 0.62, 0.53, 0.15, 0.53)]],
  R: [[line(0.15, 1, 0.15, 0), curve(0.15, 0, 0.6, 0, 0.88, 0.24, 0.6, 0.5, 0.15, 0.5), line(0.48, 0.5, 0.92, 1)]],
  T: [
    [line(0.04, 0, 0.96, 0), line(0.5, 0, 0.5, 1)],
    [line(0.5, 0.05, 0.46, 1), line(0.04, 0.26, 0.96, 0.22)],
  ],
  X: [
    [line(0.08, 0, 0.92, 1), line(0.92, 0, 0.08, 1)],
    [curve(0.06, 0.06, 0.4, 0.2, 0.6, 0.8, 0.94, 0.94), line(0.9, 0, 0.1, 1)],
  ],
};

/**
 * The stroke as a polyline; a smooth one follows the Catmull-Rom spline through its points.
 *
 * Source   Catmull & Rom 1974, uniform, end points doubled.
 */
export function flatten({ smooth, points }: Stroke, stepsPerSpan = 4): number[] {
  const count = points.length / 2;
  if (!smooth || count < 3) return [...points];
  const at = (i: number, axis: number): number => points[2 * Math.min(Math.max(i, 0), count - 1) + axis]!;
  const out = [points[0]!, points[1]!];
  for (let i = 0; i + 1 < count; i++) {
    for (let step = 1; step <= stepsPerSpan; step++) {
      const t = step / stepsPerSpan;
      for (let axis = 0; axis < 2; axis++) {
        const [p0, p1, p2, p3] = [at(i - 1, axis), at(i, axis), at(i + 1, axis), at(i + 2, axis)];
        out.push(p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0))));
      }
    }
  }
  return out;
}
