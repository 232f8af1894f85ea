/** Learnt adapters: a 1×1 convolution or a dense layer behind a value of the student, as wide as the teacher's value. */

import { PareError } from '../base/error.ts';
import { random } from '../base/random.ts';
import type { Model, Node } from '../graph/model.ts';
import { float32, sizeOf } from '../graph/tensor.ts';
import { infer } from '../ops/infer.ts';
import { ADAPTED, type Pair } from './loss/feature.ts';

/**
 * The student with an adapter for each pair, as the value `adapted/NAME`. Without `contrast`'s pooling the shapes must
 * agree but for the channels. Adapters' weights begin with `adapted/`; `removeDead` takes them away again.
 *
 * Throws   distill/pair when the channels of a pair are not known.
 */
export function withAdapters(student: Model, pairs: readonly Pair[], seed = 0): Model {
  const { graph } = student;
  const facts = infer(graph);
  const nodes: Node[] = [...graph.nodes];
  const initializers = new Map(graph.initializers);
  for (const { student: name, dims } of pairs) {
    const own = facts.get(name)?.dims;
    const isMap = own?.length === 4;
    const [from, to] = isMap ? [own[1], dims[0]] : [own?.[own.length - 1], dims[dims.length - 1]];
    if (typeof from !== 'number' || to === undefined) {
      throw new PareError('distill/pair', `The width of the student's value "${name}" is not known.`, { where: name });
    }
    const W = `${ADAPTED}${name}.weight`;
    const source = random(seed, W);
    const shape = isMap ? [to, from, 1, 1] : [from, to];
    const spread = Math.sqrt(1 / from);
    initializers.set(
      W,
      float32(
        shape,
        Float32Array.from({ length: sizeOf(shape) }, () => spread * source.normal()),
      ),
    );
    nodes.push({
      op: isMap ? 'Conv' : 'MatMul',
      domain: '',
      name: `${ADAPTED}${name}`,
      inputs: [name, W],
      outputs: [`${ADAPTED}${name}`],
      attrs: {},
    });
  }
  return { ...student, graph: { ...graph, nodes, initializers } };
}
