/** `pare inspect`: what is in a model, as far as it can be told without running it. */

import { asPareError } from '../../src/base/error.ts';
import { showBytes, showCount } from '../../src/base/unit.ts';
import { showDims } from '../../src/graph/dim.ts';
import type { Graph, Model, ValueInfo } from '../../src/graph/model.ts';
import { flag, path, required } from '../arg.ts';
import { verb } from '../verb.ts';

export const inspect = verb({
  name: 'inspect',
  about: 'What is in a model: inputs, outputs, ops, parameters, bytes, MACs.',
  example: 'pare inspect resnet18.onnx --layers',
  takes: { model: required(path('The ONNX model.')) },
  args: { layers: flag('Every layer with weights or arithmetic.') },
  async run({ model: file, layers: wantsLayers }, desk) {
    const { checkGraph } = await import('../../src/graph/check.ts');
    const { costOfAny } = await import('../../src/report/measure-models.ts');
    const { layersOf } = await import('../../src/report/layers.ts');
    const { subjectBytes } = await import('../../src/report/subject.ts');
    const subject = await desk.read(file);
    const { model } = subject;
    try {
      checkGraph(model);
    } catch (thrown) {
      desk.note(`not valid ONNX: ${asPareError(thrown).message}`);
    }
    const open = openDims(feeds(model)).filter((symbol) => desk.dims[symbol] === undefined);
    const { parameters, macs, unknown, lengths } = costOfAny(model, desk.dims);
    const ops = opCounts(model.graph);
    if (unknown.length > 0) {
      desk.note(`the cost of ${unknown.length} of ${model.graph.nodes.length} nodes is not known and counts as 0`);
    }
    if (open.length > 0)
      desk.note(
        `MACs are of one sample with ${open.map((symbol) => `${symbol} at ${lengths[symbol]}`).join(', ')} (--dim ${open[0]}=… sets it)`,
      );
    const opaque = [...feeds(model), ...model.graph.outputs].filter(({ type }) => type?.kind === 'opaque');
    if (opaque.length > 0)
      desk.note(
        `${opaque.map(({ name }) => name).join(', ')}: a sequence, map or optional, which is carried as it is and never looked into`,
      );
    const bytes = await subjectBytes(subject);
    const layers = [...layersOf(model, { ...lengths, ...desk.dims })].map(([name, layer]) => ({ name, ...layer }));
    const [inputs, outputs] = [feeds(model), model.graph.outputs].map((infos) => infos.map(portOf)) as [Port[], Port[]];
    return {
      result: {
        file,
        ir: model.ir,
        opset: model.opsets[''] ?? null,
        opsets: Object.fromEntries(Object.entries(model.opsets).map(([domain, v]) => [domain || 'ai.onnx', v])),
        producer: model.producer,
        inputs,
        outputs,
        nodes: model.graph.nodes.length,
        ops,
        parameters,
        bytes,
        macs,
        layers,
        unknown,
        metadata: model.metadata,
      },
      shown: [
        { kind: 'title', text: file },
        {
          kind: 'facts',
          facts: [
            ['format', `IR ${model.ir}, ${opsetsInWords(model)}`],
            ['producer', [model.producer.name, model.producer.version].filter(Boolean).join(' ') || undefined],
            ...inputs.map((port): [string, string] => ['input', portInWords(port)]),
            ...outputs.map((port): [string, string] => ['output', portInWords(port)]),
            ['nodes', `${model.graph.nodes.length}`],
            [
              'ops',
              Object.entries(ops)
                .map(([op, count]) => `${op} ${count}`)
                .join(', '),
            ],
            ['parameters', `${showCount(parameters)} (${parameters})`],
            ['bytes', `${showBytes(bytes)} (${bytes})`],
            ['MACs', `${showCount(macs)} (${macs})`],
            ['unknown cost', unknown.length ? shortList(unknown) : undefined],
          ],
        },
        ...(wantsLayers
          ? [
              {
                kind: 'table' as const,
                columns: [
                  { title: 'layer', align: 'left' as const },
                  { title: 'op', align: 'left' as const },
                  { title: 'parameters' },
                  { title: 'MACs' },
                  { title: 'bytes' },
                ],
                rows: layers.map((layer) => [
                  layer.name,
                  layer.op,
                  showCount(layer.parameters),
                  showCount(layer.macs),
                  showBytes(layer.bytes),
                ]),
              },
            ]
          : []),
      ],
    };
  },
});

interface Port {
  readonly name: string;
  readonly dtype: string | null;
  readonly dims: readonly (number | string | null)[] | null;
}

const feeds = ({ graph }: Model): readonly ValueInfo[] =>
  graph.inputs.filter(({ name }) => !graph.initializers.has(name));

/** The symbols of dimensions other than the batch. */
const openDims = (inputs: readonly ValueInfo[]): string[] => {
  const symbols = inputs.flatMap(({ type }) => (type?.kind === 'tensor' ? (type.dims?.slice(1) ?? []) : []));
  const batch = new Set(inputs.map(({ type }) => (type?.kind === 'tensor' ? type.dims?.[0] : undefined)));
  return [...new Set(symbols.filter((dim) => typeof dim === 'string' && !batch.has(dim)))] as string[];
};

const portOf = ({ name, type }: ValueInfo): Port =>
  type?.kind === 'tensor' ? { name, dtype: type.dtype, dims: type.dims ?? null } : { name, dtype: null, dims: null };

const portInWords = ({ name, dtype, dims }: Port): string =>
  `${name}  ${dtype ?? 'no tensor'} ${dtype ? showDims(dims ?? undefined) : ''}`.trimEnd();

const opsetsInWords = ({ opsets }: Model): string =>
  Object.entries(opsets)
    .map(([domain, version]) => `${domain || 'ai.onnx'} ${version}`)
    .join(', ');

/** How often each op occurs, sub-graphs included, most frequent first; ops of other domains with their domain. */
function opCounts(graph: Graph): Record<string, number> {
  const counts = new Map<string, number>();
  const visit = ({ nodes }: Graph): void => {
    for (const { op, domain, attrs } of nodes) {
      const name = domain === '' ? op : `${domain}.${op}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
      for (const attr of Object.values(attrs)) {
        if (attr.kind === 'graph') visit(attr.value);
        if (attr.kind === 'graphs') attr.value.forEach(visit);
      }
    }
  };
  visit(graph);
  return Object.fromEntries([...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)));
}

const shortList = (names: readonly string[]): string =>
  names.length <= 8 ? names.join(', ') : `${names.slice(0, 8).join(', ')} and ${names.length - 8} more`;
