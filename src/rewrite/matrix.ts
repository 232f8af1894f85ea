/** Products of weight matrices, summed in float64. */

/** A [rows, inner] · B [inner, columns] -> [rows, columns]. */
export function product(A: Float64Array, B: Float64Array, rows: number, inner: number, columns: number): Float64Array {
  const C = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < inner; k++) {
      const a = A[i * inner + k]!;
      if (a === 0) continue;
      for (let j = 0; j < columns; j++) C[i * columns + j]! += a * B[k * columns + j]!;
    }
  }
  return C;
}

/** A [rows, columns] with its axes exchanged. */
export function turned(A: Float64Array, rows: number, columns: number): Float64Array {
  const T = new Float64Array(A.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) T[j * rows + i] = A[i * columns + j]!;
  return T;
}
