"""Defaults of attributes that every version of an op agrees on.

    pip install onnx==1.23.2 && python spare-attributes.py > spare-attributes.json
"""
import json

import onnx
import onnx.defs

OPS = "Conv ConvTranspose MaxPool AveragePool Gemm Flatten Gather Pad Reshape Resize".split()


def default_of(attribute):
    """None where there is no default."""
    if attribute.required or not attribute.default_value.type:
        return None
    value = onnx.helper.get_attribute_value(attribute.default_value)
    return value.decode() if isinstance(value, bytes) else value


found = {op: {} for op in OPS}
for schema in onnx.defs.get_all_schemas_with_history():
    if schema.domain == "" and schema.name in found:
        for name, attribute in schema.attributes.items():
            found[schema.name].setdefault(name, []).append(default_of(attribute))
agreed = {
    op: {name: values[0] for name, values in sorted(attributes.items()) if values[0] is not None and len(set(map(str, values))) == 1}
    for op, attributes in found.items()
}
print(json.dumps(agreed, indent=2))
