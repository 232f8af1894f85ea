/** How blocks of few bits lie in a file: for the engine's own kernel, or in operators of standard ONNX alone. */

import { float32, type Tensor, tensor } from '../graph/tensor.ts';
import {
  type BlockBits,
  type BlockShape,
  type Blocks,
  blockCount,
  packCodes,
  packZeros,
  transposed,
} from './blocks.ts';
import type { MatrixLayer, Pen } from './matrix-layers.ts';
import { packInt4 } from './weight.ts';

/** The constants of one matrix. */
export interface StoredBlocks {
  readonly codes: Tensor;
  readonly scales: Tensor;
  readonly zeros?: Tensor;
}

export interface BlockForm {
  /** Bits that it has a type for. */
  readonly bits: readonly BlockBits[];
  /** Its kernel finds its constants only in the graph that holds the layer. */
  readonly isLocal?: true;
  /** Domains that it needs besides ONNX's own. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly store: (blocks: Blocks, shape: BlockShape) => StoredBlocks;
  /** Writes the layer's product; `constants` are the names of codes, scales and zero points. */
  readonly write: (
    layer: MatrixLayer,
    constants: readonly string[],
    shape: BlockShape,
    accuracyLevel: number,
    pen: Pen,
  ) => void;
}

const int = (value: number) => ({ kind: 'int', value }) as const;

/** MatMulNBits of ONNX Runtime. */
const kernel: BlockForm = {
  bits: [2, 4, 8],
  opsets: { 'com.microsoft': 1 },
  store(blocks, shape) {
    const { N, bits, size } = shape;
    const count = blockCount(shape);
    const zeros = blocks.zeros && packZeros(blocks.zeros, shape);
    return {
      codes: tensor('uint8', [N, count, (size * bits) / 8], packCodes(blocks, shape)),
      scales: float32([N * count], blocks.scales),
      ...(zeros && { zeros: tensor('uint8', [zeros.length], zeros) }),
    };
  },
  write({ node, input, output }, constants, { K, N, bits, size }, accuracyLevel, pen) {
    pen.add({
      op: 'MatMulNBits',
      domain: 'com.microsoft',
      name: node.name,
      inputs: [input, ...constants],
      outputs: [output],
      attrs: {
        K: int(K),
        N: int(N),
        bits: int(bits),
        block_size: int(size),
        ...(accuracyLevel > 0 && { accuracy_level: int(accuracyLevel) }),
      },
    });
  },
};

/**
 * DequantizeLinear with block_size (opset 21) in front of the product. Codes about 0 are stored as int4 or int8, others as uint4 or uint8
 * with zero points.
 */
const standard: BlockForm = {
  bits: [4, 8],
  isLocal: true,
  opsets: {},
  store({ codes, scales, zeros }, shape) {
    const { K, N, bits } = shape;
    const count = blockCount(shape);
    const middle = zeros ? 0 : 2 ** (bits - 1);
    const dtype = `${zeros ? 'uint' : 'int'}${bits as 4 | 8}` as const;
    const integers = (dims: readonly number[], rows: Uint8Array): Tensor => {
      const turned = transposed(rows, N, dims[0]!);
      if (dtype === 'uint8') return tensor(dtype, dims, turned);
      const shifted = Int8Array.from(turned, (code) => code - middle);
      return bits === 4 ? { ...packInt4(dims, shifted), dtype } : tensor('int8', dims, shifted);
    };
    return {
      codes: integers([K, N], codes),
      scales: float32([count, N], transposed(scales, N, count)),
      ...(zeros && { zeros: integers([count, N], zeros) }),
    };
  },
  write({ node, input, output, weight }, constants, { size }, _, pen) {
    const floats = pen.fresh(`${weight}_w`);
    const attrs = { axis: int(0), block_size: int(size) };
    pen.add({ op: 'DequantizeLinear', inputs: constants, outputs: [floats], attrs });
    pen.add({ ...node, inputs: [input, floats], outputs: [output] });
  },
};

export const blockForms = { kernel, standard } as const satisfies Record<string, BlockForm>;
