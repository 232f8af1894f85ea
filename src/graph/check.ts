/** Is this a graph that ONNX allows? The rules of the ONNX checker, no stricter than ONNX Runtime where the two differ. */

import { PareError } from '../base/error.ts';
import { nearest } from '../base/suggest.ts';
import { byteLength } from './dtype.ts';
import { producers, readsOf } from './edit.ts';
import type { Graph, Model, Node } from './model.ts';
import { sizeOf, type Tensor } from './tensor.ts';

/** Domains that ONNX Runtime imports by itself when the model does not. */
const BUILT_IN = /^(ai\.onnx\.|com\.microsoft|com\.ms\.|org\.pytorch\.)/;

/** What a reader recognises a node by. */
const nameOf = (node: Node): string =>
  node.name ? `${node.op} "${node.name}"` : `${node.op} that makes "${node.outputs.find((output) => output) ?? ''}"`;

/**
 * Checks the model and every sub-graph in it; returns when all is well.
 *
 *   each value is defined once                            graph/duplicate-name
 *   what is read is defined, here or in a scope around    graph/undefined-value
 *   makers stand before readers                           graph/not-sorted, graph/cycle
 *   every domain in use has a version                     graph/opset-missing
 *   the IR version is stated                              graph/ir-version
 *   weights have the bytes that their dimensions ask for  graph/initializer-size
 *
 * An initialiser may also stand among the inputs (all had to, below IR version 4; later it is a default). Inputs and
 * initialisers of a sub-graph may hide outer names; its nodes' outputs may not. Nodes that share a name pass: ONNX
 * allows them (the writer makes such names unique). Weights that are not in memory yet are not read for this.
 *
 * Source   onnx/checker.cc (ONNX 1.22); probed against ONNX Runtime.
 */
export function checkGraph(model: Model): void {
  const { ir, opsets } = model;
  if (!(Number.isInteger(ir) && ir >= 1)) {
    throw new PareError('graph/ir-version', 'The model does not state the version of its format (ir_version).', {
      expected: 'a whole number from 1',
      got: `${ir}`,
    });
  }
  if (Object.keys(opsets).length === 0) {
    throw new PareError('graph/opset-missing', 'The model imports no operator set.', {
      expected: 'ai.onnx, with its version',
    });
  }
  for (const [domain, version] of Object.entries(opsets)) {
    if (Number.isInteger(version) && version >= 1) continue;
    throw new PareError('graph/opset-missing', `The operator set "${domain || 'ai.onnx'}" has no valid version.`, {
      expected: 'a whole number from 1',
      got: `${version}`,
    });
  }
  checkScope(model.graph, { has: () => false, names: () => [] }, opsets);
}

/** The names that a sub-graph sees around it. */
interface Scope {
  readonly has: (name: string) => boolean;
  readonly names: () => Iterable<string>;
}

function checkScope(graph: Graph, outer: Scope, opsets: Model['opsets']): void {
  const defined = definitions(graph, outer);
  const made = producers(graph);
  const scope: Scope = {
    has: (name) => defined.has(name) || outer.has(name),
    names: () => [...defined, ...outer.names()],
  };
  for (const node of graph.nodes) {
    checkDomain(node, opsets);
    for (const name of readsOf(node)) {
      if (scope.has(name)) continue;
      const maker = made.get(name);
      if (maker) throw outOfOrder(graph, made, node, maker, name);
      if (node.inputs.includes(name)) throw undefinedValue(`${nameOf(node)} reads`, nameOf(node), name, scope);
    }
    for (const inner of innerGraphs(node)) checkScope(inner, scope, opsets);
    for (const output of node.outputs) if (output) defined.add(output);
  }
  for (const { name } of graph.outputs) {
    // An output is made here: passing an outer value through takes an Identity.
    if (!defined.has(name)) throw undefinedValue('The graph returns', `outputs of "${graph.name}"`, name, scope);
  }
}

/** The names that exist before the first node runs; no name may be defined twice. */
function definitions(graph: Graph, outer: Scope): Set<string> {
  const where = new Map<string, string>();
  const define = (name: string, what: string): void => {
    const first = where.get(name);
    if (first !== undefined) {
      throw new PareError('graph/duplicate-name', `The value "${name}" is defined twice.`, {
        where: `${first}, and ${what}`,
        expected: 'one definition',
      });
    }
    where.set(name, what);
  };
  for (const { name } of graph.inputs) define(name, 'a graph input');
  for (const [name, tensor] of graph.initializers) {
    if (!where.has(name)) where.set(name, 'an initialiser');
    checkSize(name, tensor);
  }
  const defined = new Set(where.keys());
  for (const node of graph.nodes) for (const output of node.outputs) if (output) define(output, nameOf(node));
  for (const node of graph.nodes) {
    const hidden = node.outputs.find((output) => output !== '' && outer.has(output));
    if (hidden !== undefined) {
      throw new PareError(
        'graph/duplicate-name',
        `The sub-graph's value "${hidden}" hides one of the graph around it.`,
        {
          where: nameOf(node),
          expected: 'a name that is not in use outside',
        },
      );
    }
  }
  return defined;
}

const innerGraphs = (node: Node): readonly Graph[] =>
  Object.values(node.attrs).flatMap((attr) =>
    attr.kind === 'graph' ? [attr.value] : attr.kind === 'graphs' ? attr.value : [],
  );

function checkDomain(node: Node, opsets: Model['opsets']): void {
  if (Object.hasOwn(opsets, node.domain) || BUILT_IN.test(node.domain)) return;
  const domain = node.domain || 'ai.onnx';
  throw new PareError('graph/opset-missing', `${nameOf(node)} is from "${domain}", which the model does not import.`, {
    where: nameOf(node),
    expected: `a version for ${domain}`,
    got: Object.entries(opsets)
      .map(([name, version]) => `${name || 'ai.onnx'} ${version}`)
      .join(', '),
  });
}

function checkSize(name: string, tensor: Tensor): void {
  const { dtype, dims } = tensor;
  // An accessor means that the elements are still in the file or on disk; they are checked when they are touched.
  const held = Object.getOwnPropertyDescriptor(tensor, dtype === 'string' ? 'strings' : 'bytes');
  if (held?.get) return;
  const unit = dtype === 'string' ? 'strings' : 'bytes';
  const expected = dtype === 'string' ? sizeOf(dims) : byteLength(dtype, sizeOf(dims));
  const got = dtype === 'string' ? (tensor.strings?.length ?? 0) : tensor.bytes.length;
  if (got === expected) return;
  throw new PareError(
    'graph/initializer-size',
    `The ${dtype} initialiser "${name}" does not fill [${dims.join(', ')}].`,
    {
      where: name,
      expected: `${expected} ${unit}`,
      got: `${got} ${unit}`,
    },
  );
}

function undefinedValue(who: string, where: string, name: string, scope: Scope): PareError {
  const near = nearest(name, scope.names());
  return new PareError('graph/undefined-value', `${who} "${name}", which nothing defines.`, {
    where,
    ...(near !== undefined && { hint: `the nearest name that is defined is "${near}"` }),
  });
}

/** `reader` stands before `maker`: by mistake of order, or because there is no right order. */
function outOfOrder(graph: Graph, made: Map<string, Node>, reader: Node, maker: Node, name: string): PareError {
  const cycle = pathTo(reader, maker, made);
  if (cycle) {
    return new PareError('graph/cycle', `${nameOf(reader)} depends on its own output.`, {
      where: [...cycle, reader].map(nameOf).join(' → '),
    });
  }
  return new PareError('graph/not-sorted', `${nameOf(reader)} reads "${name}" before ${nameOf(maker)} makes it.`, {
    where: `nodes ${graph.nodes.indexOf(reader)} and ${graph.nodes.indexOf(maker)} of "${graph.name}"`,
    expected: 'topological order',
    hint: 'sortNodes puts the nodes in order',
  });
}

/** The nodes from `start` to `end` along data, or undefined when `end` does not depend on `start`. */
function pathTo(start: Node, end: Node, made: Map<string, Node>): Node[] | undefined {
  const from = new Map<Node, Node | undefined>([[end, undefined]]);
  const open = [end];
  for (let node = open.pop(); node; node = open.pop()) {
    if (node === start) {
      const path: Node[] = [];
      for (let at: Node | undefined = node; at; at = from.get(at)) path.push(at);
      return path;
    }
    for (const name of readsOf(node)) {
      const maker = made.get(name);
      if (!maker || from.has(maker)) continue;
      from.set(maker, node);
      open.push(maker);
    }
  }
  return undefined;
}
