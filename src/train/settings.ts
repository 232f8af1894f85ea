/** Settings that a data set feeds, as constants: what depends on them, such as the turns of a loop, is then known while slopes are taken. */

import type { Dataset } from '../data/dataset.ts';
import { isFloat } from '../graph/dtype.ts';
import { type Model, tensorType } from '../graph/model.ts';
import { elements, type Tensor, tensor, zeros } from '../graph/tensor.ts';

/** The model with every whole number or flag that is the same for all samples in place of its input; floats stay inputs. */
export function withSettings(model: Model, data: Dataset): Model {
  const initializers = new Map(model.graph.initializers);
  const inputs = model.graph.inputs.filter((info) => {
    const constant = initializers.has(info.name) ? undefined : settingIn(data, info.name, tensorType(info)?.dtype);
    if (constant) initializers.set(info.name, constant);
    return !constant;
  });
  if (inputs.length === model.graph.inputs.length) return model;
  return { ...model, graph: { ...model.graph, inputs, initializers } };
}

function settingIn(data: Dataset, name: string, dtype: Tensor['dtype'] | undefined): Tensor | undefined {
  const column = data.inputs[name];
  if (!column?.whole || column.dims.length > 0 || !dtype || isFloat(dtype) || isFloat(column.dtype)) return undefined;
  const into = elements(zeros(column.dtype, []));
  data.fill(name, [0], into);
  return tensor(dtype, [], [Number(into[0])]);
}
