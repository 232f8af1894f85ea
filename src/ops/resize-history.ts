/** What Resize was in older opsets, and Upsample before it. */

import { fromFront } from './answer.ts';
import { cameLater, without } from './history.ts';
import type { FormMaker, HistoricNode, History, ModernMaker } from './op.ts';
import { exactly, intVector } from './sample.ts';

/** Up to opset 10 places were counted from the corner, and there was no region of interest. */
export const fromCorner = (node: HistoricNode, make: ModernMaker): HistoricNode => {
  const { scales, mode, width_scale: _, height_scale: __, ...attrs } = node.attrs;
  const factors =
    scales?.kind === 'floats'
      ? make.constant('scales', exactly('float32', [scales.value.length], scales.value))
      : node.inputs[1]!;
  const how = mode?.kind === 'string' && mode.value !== 'nearest' ? 'linear' : 'nearest';
  return {
    ...node,
    op: 'Resize',
    inputs: [node.inputs[0]!, '', factors],
    attrs: {
      ...attrs,
      mode: { kind: 'string', value: how },
      coordinate_transformation_mode: { kind: 'string', value: 'asymmetric' },
      nearest_mode: { kind: 'string', value: 'floor' },
    },
  };
};

/** The factors of all axes: as they are given, or as sizes that are known make them. */
function factorsOf({ inputs: [X, , scales, sizes] }: HistoricNode, make: FormMaker): readonly number[] | undefined {
  const given = scales ? make.ints(scales) : undefined;
  if (given && given.length > 0) return given;
  const [wanted, dims] = [sizes ? make.ints(sizes) : undefined, make.dims(X!)];
  const factors = wanted?.map((size, i) => (typeof dims?.[i] === 'number' ? size / dims[i] : Number.NaN));
  // A factor that is not exact might give another size.
  const isExact = factors?.every((factor, i) => Math.floor(Math.fround(factor) * (dims![i] as number)) === wanted![i]);
  return isExact ? factors : undefined;
}

const saysOnly = (node: HistoricNode, allowed: Readonly<Record<string, string>>): boolean =>
  Object.entries(allowed).every(([name, value]) => node.attrs[name]?.value === value);

export const resizeHistory: readonly History[] = [
  {
    until: 8,
    old: (node, make) => {
      const value = make.ints(node.inputs[1]!);
      if (!value) return 'its scales are computed';
      return { ...node, inputs: [node.inputs[0]!], attrs: { ...node.attrs, scales: { kind: 'floats', value } } };
    },
  },
  { until: 9, old: (node) => ({ ...node, op: 'Upsample' }) },
  {
    until: 10,
    modern: fromCorner,
    old: (node, make) => {
      const mode = node.attrs['mode']?.value ?? 'nearest';
      const isNearest = mode === 'nearest' && saysOnly(node, { nearest_mode: 'floor' });
      if (mode !== 'linear' && !isNearest) return 'places between elements are read in another way';
      if (!saysOnly(node, { coordinate_transformation_mode: 'asymmetric' }))
        return 'places are not counted from the corner';
      const [X, , scales] = node.inputs as [string, string, string?];
      const factors = factorsOf(node, make);
      if (!factors && !(scales && make.dims(scales)?.[0] !== 0)) return 'it is told by sizes';
      const given = factors ? make.constant('scales', exactly('float32', [factors.length], factors)) : scales!;
      return { ...node, inputs: [X, given], attrs: { mode: { kind: 'string', value: mode } } };
    },
  },
  {
    // Up to opset 12 region and scales could be empty, but not left out.
    until: 12,
    old: (node, make) => {
      const [X, roi, scales, ...sizes] = node.inputs as [string, string, string, string?];
      const empty = (name: string): string => make.constant(name, exactly('float32', [0], []));
      return { ...node, inputs: [X, roi || empty('roi'), scales || empty('scales'), ...(sizes as string[])] };
    },
  },
  {
    // Up to opset 17 every axis was told.
    until: 17,
    old: (node, make) => {
      const axes = node.attrs['axes'];
      if (axes?.kind !== 'ints') return node;
      const [X, roi = '', scales, sizes] = node.inputs as [string, string?, string?, string?];
      const dims = make.dims(X);
      const [factors, wanted] = [scales && make.ints(scales), sizes && make.ints(sizes)];
      const plain = without(node, 'axes');
      const all = <T>(rest: readonly T[], given: readonly T[]): T[] =>
        rest.map((one, axis) => given[axes.value.findIndex((at) => fromFront(at, rest.length) === axis)] ?? one);
      if (dims && roi === '' && factors) {
        const value = all(new Array<number>(dims.length).fill(1), factors);
        return { ...plain, inputs: [X, '', make.constant('scales', exactly('float32', [value.length], value))] };
      }
      const full = dims && roi === '' && wanted ? all(dims, wanted) : [];
      if (full.length === 0 || full.some((size) => typeof size !== 'number')) return 'only some of its axes are told';
      return { ...plain, inputs: [X, '', '', make.constant('sizes', intVector(...(full as number[])))] };
    },
  },
  cameLater(18, 'coordinate_transformation_mode', 'half_pixel_symmetric'),
];
