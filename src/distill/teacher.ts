/**
 * One or several teachers as one frozen graph: their logits as the value `teacher`, inner values as `teacher/NAME`. The
 * same graph is run to record outputs and stands beside the student when both run at once.
 */

import { PareError } from '../base/error.ts';
import { beside, prefixed } from '../graph/beside.ts';
import { feedsOf, type Graph, type Model, type Node } from '../graph/model.ts';
import { float32 } from '../graph/tensor.ts';
import { logitsOf } from '../nn/logits.ts';
import { rowOf } from '../ops/index.ts';
import { MODERN_OPSET, modernize } from '../ops/modern.ts';
import { doubles } from '../rewrite/arithmetic.ts';
import { numberAttr } from '../rewrite/attribute.ts';
import { rewrite } from '../rewrite/index.ts';
import { openNet } from '../rewrite/open-net.ts';
import { TEACHER_PREFIX } from './loss/feature.ts';
import { TEACHER } from './loss/soft-targets.ts';

/** A teacher, and how much it counts among several. Default weight 1. */
export type Teacher = Model | { readonly model: Model; readonly weight: number };

const modelOf = (teacher: Teacher): { model: Model; weight: number } =>
  'model' in teacher ? teacher : { model: teacher, weight: 1 };

export const listOf = (teachers: Teacher | readonly Teacher[]): readonly { model: Model; weight: number }[] =>
  (Array.isArray(teachers) ? (teachers as readonly Teacher[]) : [teachers as Teacher]).map(modelOf);

/**
 * The teachers as one model whose first output is `teacher`.
 *
 * Several teachers answer with the weighted mean of their logits (the geometric mean of what they think likely). Inner
 * values are the first teacher's. Batch statistics and dropout are frozen as in use.
 * Throws   distill/live when a node would behave differently while learning and cannot be frozen.
 */
export function frozenTeacher(teachers: Teacher | readonly Teacher[], features: readonly string[] = []): Model {
  const all = listOf(teachers).map(({ model, weight }) => ({ model: frozen(model), weight }));
  const sum = all.reduce((total, { weight }) => total + weight, 0);
  const feeds = new Set(all.flatMap(({ model }) => feedsOf(model.graph).map(({ name }) => name)));
  const prefixOf = (i: number): string => (i === 0 ? TEACHER_PREFIX : `teacher${i + 1}/`);
  const parts = all.map(({ model }, i) => prefixed(model.graph, prefixOf(i), feeds));
  const answers = all.map(({ model: { graph } }, i) => {
    const logits = logitsOf(graph);
    return feeds.has(logits) ? logits : `${prefixOf(i)}${logits}`;
  });
  const joint = parts.slice(1).reduce((graph, part) => beside(graph, part, ''), parts[0]!);
  const nodes: Node[] = [...joint.nodes];
  const initializers = new Map(joint.initializers);
  const emit = (op: string, inputs: string[], output: string): string => {
    nodes.push({ op, domain: '', name: `${output}_${op}`, inputs, outputs: [output], attrs: {} });
    return output;
  };
  let answer = answers[0]!;
  if (all.length > 1) {
    const shares = all.map(({ weight }, i) => {
      const name = `${TEACHER_PREFIX}share${i}`;
      initializers.set(name, float32([], [weight / sum]));
      return emit('Mul', [answers[i]!, name], `${TEACHER_PREFIX}weighted${i}`);
    });
    answer = emit('Sum', shares, `${TEACHER_PREFIX}mean`);
  }
  emit('Identity', [answer], TEACHER);
  const outputs = [TEACHER, ...features.map((name) => `${TEACHER_PREFIX}${name}`)].map((name) => ({ name }));
  return { ...all[0]!.model, graph: { ...joint, nodes, initializers, outputs } };
}

/**
 * The model with nothing in it that learns by running: batch normalisation is scale and shift, dropout is gone.
 *
 * Throws   distill/live when a node would behave differently while learning and cannot be frozen.
 */
export function frozen(model: Model): Model {
  const plain = rewrite(modernize(model), [
    'fold-constant-layout',
    'drop-dropout',
    'fold-batch-norm',
    'fold-batch-norm-ahead',
  ]).model;
  const edit = openNet(plain.graph, MODERN_OPSET);
  for (const node of plain.graph.nodes) {
    if (node.op !== 'BatchNormalization') continue;
    const [scale, bias, mean, variance] = node.inputs.slice(1).map((name) => edit.constant(name));
    const rank = edit.dims(node.inputs[0]!)?.length;
    if (!scale || !bias || !mean || !variance || rank === undefined) continue;
    const epsilon = numberAttr(node, 'epsilon', 1e-5);
    const [g, b, m, v] = [scale, bias, mean, variance].map(doubles);
    const s = g!.map((x, i) => x / Math.sqrt(v![i]! + epsilon));
    const dims = [s.length, ...new Array<number>(Math.max(0, rank - 2)).fill(1)];
    const times = edit.weight(`${node.name}_scale`, float32(dims, s));
    const shift = edit.weight(
      `${node.name}_shift`,
      float32(
        dims,
        s.map((x, i) => b![i]! - x * m![i]!),
      ),
    );
    edit.replace(node, [edit.emit('Add', [edit.emit('Mul', [node.inputs[0]!, times]), shift])]);
  }
  const graph: Graph = edit.finish();
  const restless = graph.nodes.find((node) => rowOf(node)?.training !== undefined);
  if (restless) {
    throw new PareError('distill/live', `${restless.op} "${restless.name}" of the teacher cannot be frozen.`, {
      where: restless.name || restless.op,
    });
  }
  return { ...plain, graph };
}
