/** Classical machine learning (domain ai.onnx.ml), as scikit-learn's exporters write it: carried, with shapes where they are simple. */

import type { DType } from '../graph/dtype.ts';
import { dtypeOf } from '../graph/dtype.ts';
import type { Dim } from '../graph/model.ts';
import { count } from './answer.ts';
import { carried } from './carried.ts';
import { tieBroadcast } from './link.ts';
import { float, floatList, int, ints, op, type Row, tensorAttr, text, textList, type Value } from './op.ts';
import { between } from './sample.ts';

const domain = 'ai.onnx.ml';
const rows = (X: Value): Dim => (X.dims.length > 1 ? X.dims[0]! : 1);
const classes = (strings: readonly string[] | undefined, numbers: readonly number[] | undefined) =>
  strings?.length
    ? { many: strings.length, dtype: 'string' as const }
    : { many: numbers?.length ?? 0, dtype: 'int64' as const };

/** Y = (X − offset) · scale, per feature. */
export const Scaler = op({
  type: 'Scaler',
  domain,
  inputs: ['X'],
  attrs: { offset: floatList([0]), scale: floatList([1]) },
  shape: ({ X }) => ({ dims: X.dims, dtype: 'float32' as const }),
  grad: ({ X, dY }, { scale }, g) => {
    const factors = g.constant({ dtype: 'float32', dims: [scale.length], bytes: bytesOf(scale) }, 'scale');
    return { X: X.dtype === 'float32' ? g.Mul(dY, factors) : undefined };
  },
  couple: 'none',
  cost: ({ X }) => ({ macs: 0 * X.dims.length }),
  quant: 'float',
  samples: [{ X: [2, 3], attrs: { offset: [0.1, 0.2, 0.3], scale: [2, 3, 0.5] } }],
});
const bytesOf = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

/** Each row divided by its norm. */
export const Normalizer = carried('Normalizer', {
  domain,
  inputs: ['X'],
  attrs: { norm: text('MAX') },
  shape: ({ X }) => ({ dims: X.dims, dtype: 'float32' }),
  decompose: ({ X }, { norm }, g) => {
    if (X.dtype !== 'float32' || X.dims.length > 2) return undefined;
    const axes = [X.dims.length - 1];
    const size = norm === 'L1' ? g.ReduceL1(X, axes) : norm === 'L2' ? g.ReduceL2(X, axes) : undefined;
    return size && [g.Div(X, size)];
  },
  samples: [
    { X: [2, 3], attrs: { norm: 'L2' } },
    { X: [2, 3], attrs: { norm: 'L1' } },
  ],
});

export const LinearRegressor = op({
  type: 'LinearRegressor',
  domain,
  inputs: ['X'],
  attrs: { coefficients: floatList([]), intercepts: floatList(), post_transform: text('NONE'), targets: int(1) },
  // X [N, features] -> Y [N, targets], coefficients [targets, features]
  shape: ({ X }, { targets }) => ({ dims: [rows(X), targets], dtype: 'float32' as const }),
  grad: 'missing',
  decompose: ({ X }, { coefficients, intercepts, post_transform, targets }, g) => {
    if (post_transform !== 'NONE' || X.dtype !== 'float32' || X.dims.length !== 2) return undefined;
    const W = g.constant(
      { dtype: 'float32', dims: [targets, X.dims[1]!], bytes: bytesOf(coefficients) },
      'coefficients',
    );
    const b = intercepts && g.constant({ dtype: 'float32', dims: [targets], bytes: bytesOf(intercepts) }, 'intercepts');
    return [g.Gemm(X, W, b, { transB: 1 })];
  },
  couple: 'none',
  cost: ({ X, Y }) => ({ macs: count(Y.dims) * X.dims[X.dims.length - 1]! }),
  quant: 'float',
  samples: [{ X: [2, 3], attrs: { coefficients: [0.3, -0.2, 0.5], intercepts: [0.7] }, macs: 2 * 3 }],
});

export const LinearClassifier = carried('LinearClassifier', {
  domain,
  inputs: ['X'],
  outputs: ['label', 'scores'],
  attrs: {
    classlabels_ints: ints(),
    classlabels_strings: textList(),
    coefficients: floatList([]),
    intercepts: floatList(),
    multi_class: int(0),
    post_transform: text('NONE'),
  },
  shape: ({ X }, a) => {
    const { many, dtype } = classes(a.classlabels_strings, a.classlabels_ints);
    return [
      { dims: [rows(X)], dtype },
      { dims: [rows(X), Math.max(2, many)], dtype: 'float32' },
    ];
  },
  cost: (_, { coefficients }) => ({ macs: coefficients.length }),
  grad: 'missing',
});

/** Trees are steps: flat wherever they have a slope. */
const trees = {
  aggregate_function: text('SUM'),
  base_values: floatList(),
  n_targets: int(1),
  post_transform: text('NONE'),
  classlabels_int64s: ints(),
  classlabels_strings: textList(),
  class_ids: ints(),
};

export const TreeEnsembleRegressor = carried('TreeEnsembleRegressor', {
  domain,
  inputs: ['X'],
  attrs: trees,
  shape: ({ X }, { n_targets }) => ({ dims: [rows(X), n_targets], dtype: 'float32' }),
  grad: 'none',
});

export const TreeEnsembleClassifier = carried('TreeEnsembleClassifier', {
  domain,
  inputs: ['X'],
  outputs: ['label', 'scores'],
  attrs: trees,
  grad: 'none',
  shape: ({ X }, a) => {
    const { many, dtype } = classes(a.classlabels_strings, a.classlabels_int64s);
    return [
      { dims: [rows(X)], dtype },
      { dims: [rows(X), Math.max(2, many)], dtype: 'float32' },
    ];
  },
});

export const TreeEnsemble = carried('TreeEnsemble', {
  domain,
  inputs: ['X'],
  attrs: { n_targets: int(1) },
  shape: ({ X }, { n_targets }) => ({ dims: [rows(X), n_targets], dtype: X.dtype }),
  grad: 'none',
});

export const SVMRegressor = carried('SVMRegressor', {
  domain,
  inputs: ['X'],
  attrs: { coefficients: floatList([]) },
  shape: ({ X }) => ({ dims: [rows(X), 1], dtype: 'float32' }),
});

export const SVMClassifier = carried('SVMClassifier', {
  domain,
  inputs: ['X'],
  outputs: ['label', 'scores'],
  attrs: { classlabels_ints: ints(), classlabels_strings: textList() },
  shape: ({ X }, a) => {
    const { many, dtype } = classes(a.classlabels_strings, a.classlabels_ints);
    // One against one or one against the rest: how many scores there are depends on the post-transform.
    return [
      { dims: [rows(X)], dtype },
      { dims: [rows(X), many === 2 ? 2 : null], dtype: 'float32' },
    ];
  },
});

/** Columns of the last axis. */
export const ArrayFeatureExtractor = carried('ArrayFeatureExtractor', {
  domain,
  inputs: ['X', 'places'],
  attrs: {},
  shape: ({ X, places }) => {
    const many = places.dims.reduce<Dim>(
      (n, dim) => (typeof n === 'number' && typeof dim === 'number' ? n * dim : null),
      1,
    );
    return { dims: X.dims.length === 1 ? [1, many] : [...X.dims.slice(0, -1), many], dtype: X.dtype };
  },
  decompose: ({ X, places }, _, g) =>
    X.dims.length === 1
      ? undefined
      : [g.Gather(X, g.reshape(places, [count(places.dims)]), { axis: X.dims.length - 1 })],
});

export const Binarizer = carried('Binarizer', {
  domain,
  inputs: ['X'],
  attrs: { threshold: float(0) },
  shape: ({ X }) => X.dims,
  grad: 'none',
  couple: ({ X, Y }) => tieBroadcast(Y, X),
  samples: [{ X: between(-1, 1, [2, 3]), attrs: { threshold: 0.2 } }],
});

const keyed = { int64s: 'int64', strings: 'string', floats: 'float32' } as const;

export const LabelEncoder = carried('LabelEncoder', {
  domain,
  inputs: ['X'],
  attrs: {
    values_int64s: ints(),
    values_strings: textList(),
    values_floats: floatList(),
    values_tensor: tensorAttr(),
    keys_strings: textList(),
    classes_strings: textList(),
  },
  shape: ({ X }, a) => {
    const named = Object.entries(keyed).find(([kind]) => a[`values_${kind}` as 'values_floats'] !== undefined)?.[1];
    const old: DType = X.dtype === 'string' ? 'int64' : 'string';
    return { dims: X.dims, dtype: a.values_tensor?.dtype ?? named ?? old };
  },
  grad: 'none',
});

export const Imputer = carried('Imputer', {
  domain,
  inputs: ['X'],
  attrs: { imputed_value_floats: floatList(), replaced_value_float: float(0) },
  shape: ({ X }) => X.dims,
});

export const OneHotEncoder = carried('OneHotEncoder', {
  domain,
  inputs: ['X'],
  attrs: { cats_int64s: ints(), cats_strings: textList(), zeros: int(1) },
  shape: ({ X }, { cats_int64s, cats_strings }) => ({
    dims: [...X.dims, (cats_int64s ?? cats_strings ?? []).length],
    dtype: 'float32',
  }),
  grad: 'none',
});

export const FeatureVectorizer = carried('FeatureVectorizer', {
  domain,
  inputs: ['...X'],
  attrs: { inputdimensions: ints([]) },
  shape: ({ X }, { inputdimensions }) => ({
    dims: [rows(X[0]!), inputdimensions.reduce((sum, dim) => sum + dim, 0)],
    dtype: 'float32',
  }),
});

export const CastMap: Row = carried('CastMap', {
  domain,
  inputs: ['X'],
  attrs: { cast_to: text('TO_FLOAT'), map_form: text('DENSE'), max_map: int(1) },
  shape: (_, { cast_to, max_map, map_form }) => ({
    dims: [1, map_form === 'SPARSE' ? max_map : null],
    dtype: cast_to === 'TO_FLOAT' ? 'float32' : (dtypeOf(cast_to === 'TO_INT64' ? 7 : 8) ?? 'float32'),
  }),
});
