/** Ink on a square grid: polylines drawn with anti-aliasing, by the distance of a pixel to its nearest segment. */

/**
 * Raises `ink` to what a pen of this radius leaves along the polyline.
 *
 *   ink = clamp((radius + soft / 2 − d) / soft, 0, 1)        d = distance of the pixel's centre to the segment
 *
 * Shapes   ink [size · size], 0 to 1, row by row; points x0, y0, x1, y1, … in pixels.
 * Units    radius and soft (the width of the edge) in pixels.
 */
export function draw(ink: Float32Array, size: number, points: ArrayLike<number>, radius: number, soft: number): void {
  const reach = radius + soft / 2;
  for (let p = 0; p + 3 < points.length; p += 2) {
    const x0 = points[p]!;
    const y0 = points[p + 1]!;
    const dx = points[p + 2]! - x0;
    const dy = points[p + 3]! - y0;
    const length2 = dx * dx + dy * dy || 1e-12;
    const left = Math.max(0, Math.floor(Math.min(x0, x0 + dx) - reach));
    const right = Math.min(size - 1, Math.ceil(Math.max(x0, x0 + dx) + reach));
    const top = Math.max(0, Math.floor(Math.min(y0, y0 + dy) - reach));
    const bottom = Math.min(size - 1, Math.ceil(Math.max(y0, y0 + dy) + reach));
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const px = x + 0.5 - x0;
        const py = y + 0.5 - y0;
        const along = (px * dx + py * dy) / length2;
        const t = Math.max(0, Math.min(1, along));
        const ex = px - t * dx;
        const ey = py - t * dy;
        const d2 = ex * ex + ey * ey;
        if (d2 >= reach * reach) continue;
        const value = (reach - Math.sqrt(d2)) / soft;
        const at = y * size + x;
        if (value > ink[at]!) ink[at] = Math.min(1, value);
      }
    }
  }
}
