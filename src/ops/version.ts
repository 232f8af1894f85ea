/** Versions of ai.onnx and of the file format. */

/** The last opset that each IR version came with. */
const LAST: readonly (readonly [ir: number, opset: number])[] = [
  [3, 8],
  [4, 9],
  [5, 10],
  [6, 11],
  [7, 14],
  [8, 18],
  [9, 20],
  [10, 22],
  [11, 23],
];

/** The IR version that came with an opset; of opsets after 23, that of 23. */
export const irOf = (opset: number): number => (LAST.find(([, last]) => opset <= last) ?? LAST.at(-1)!)[0];
