/** The nearest integer; halves go to the even neighbour, as ONNX asks (Math.round sends them up). */
export function roundEven(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
