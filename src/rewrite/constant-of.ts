/** The tensor that a Constant node holds, whichever of its attributes holds it. */

import type { Node } from '../graph/model.ts';
import { type Tensor, tensor } from '../graph/tensor.ts';

/** The tensor, or undefined for other nodes and for sparse constants. */
export function constantOf({ op, domain, attrs }: Node): Tensor | undefined {
  if (op !== 'Constant' || domain !== '') return undefined;
  const [key, attr] = Object.entries(attrs)[0] ?? [];
  switch (attr?.kind) {
    case 'tensor':
      return attr.value;
    case 'float':
      return tensor('float32', [], [attr.value]);
    case 'floats':
      return tensor('float32', [attr.value.length], attr.value);
    case 'int':
      return tensor('int64', [], [attr.value]);
    case 'ints':
      return tensor('int64', [attr.value.length], attr.value);
    case 'string':
      return key === 'value_string' ? tensor('string', [], [attr.value]) : undefined;
    case 'strings':
      return tensor('string', [attr.value.length], attr.value);
    default:
      return undefined;
  }
}
