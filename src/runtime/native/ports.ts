/** The inputs and outputs of a loaded session: names, element types, dimensions. */

import type { Port } from '../engine.ts';
import type { Call, Pointer } from './api.ts';
import { dtypeFor } from './element-type.ts';
import type { Environment } from './environment.ts';
import { readDims, TENSOR } from './value.ts';

export interface Ports {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Weights that are listed as inputs too, and so may be fed. */
  readonly overridable: readonly Port[];
}

/** Asks the session for its ports. */
export function readPorts(env: Environment, session: Pointer): Ports {
  const { api } = env;
  const list = (count: Call, name: Call, type: Call): Port[] =>
    Array.from({ length: env.number((out) => count(session, out)) }, (_, i) => {
      const info = env.pointer((out) => type(session, i, out));
      try {
        return { name: env.text((out) => name(session, i, env.allocator, out)), ...readType(env, info) };
      } finally {
        api.ReleaseTypeInfo(info);
      }
    });
  return {
    inputs: list(api.SessionGetInputCount, api.SessionGetInputName, api.SessionGetInputTypeInfo),
    outputs: list(api.SessionGetOutputCount, api.SessionGetOutputName, api.SessionGetOutputTypeInfo),
    overridable: list(
      api.SessionGetOverridableInitializerCount,
      api.SessionGetOverridableInitializerName,
      api.SessionGetOverridableInitializerTypeInfo,
    ),
  };
}

/** Sequences, maps and optionals have neither dtype nor dims here. */
function readType(env: Environment, info: Pointer): Omit<Port, 'name'> {
  const { api } = env;
  if (env.number((out) => api.GetOnnxTypeFromTypeInfo(info, out)) !== TENSOR) return {};
  const tensor = env.pointer((out) => api.CastTypeInfoToTensorInfo(info, out)); // belongs to `info`
  const dtype = dtypeFor(env.number((out) => api.GetTensorElementType(tensor, out)));
  return { ...(dtype && { dtype }), ...(api.hasShape(tensor) && { dims: readDims(env, tensor) }) };
}
