"""The forms that each op of ai.onnx had from opset 7 to 23, from the schemas of the onnx package.

    pip install onnx==1.23.2 && python forms.py > ../../src/ops/forms.ts

A form: the opset it begins with, the element types of inputs and of outputs (a letter each, a class of types; ? for one that may be
left out, * for any number, . for what is no tensor), and the names of its attributes.
"""
import string
from collections import defaultdict

import onnx

FIRST, LAST = 7, 23
LETTER = {
    "float": "f", "double": "d", "float16": "h", "bfloat16": "b", "bool": "B", "string": "s", "complex64": "c",
    "complex128": "C", "int8": "q", "uint8": "Q", "int16": "w", "uint16": "W", "int32": "i", "uint32": "I", "int64": "l",
    "uint64": "L", "float8e4m3fn": "e", "float8e4m3fnuz": "E", "float8e5m2": "g", "float8e5m2fnuz": "G",
    "int4": "n", "uint4": "N", "float4e2m1": "m", "float8e8m0": "M", "int2": "t", "uint2": "T",
}
MARK = {"Single": "", "Optional": "?", "Variadic": "*"}

classes = {}


def named(letters):
    if letters not in classes:
        classes[letters] = (string.ascii_letters + string.digits)[len(classes)]
    return classes[letters]


def slots(schema, values):
    allowed = {one.type_param_str: one.allowed_type_strs for one in schema.type_constraints}

    def one(value):
        types = [t[7:-1] for t in allowed.get(value.type_str, [value.type_str]) if t.startswith("tensor(")]
        letters = "".join(LETTER[t] for t in sorted(types, key=list(LETTER).index))
        return (named(letters) if letters else ".") + MARK[value.option.name]

    return "".join(map(one, values))


by_name = defaultdict(list)
for schema in onnx.defs.get_all_schemas_with_history():
    if schema.domain == "" and schema.since_version <= LAST and not schema.deprecated:
        by_name[schema.name].append(schema)
gone = {s.name: s.since_version for s in onnx.defs.get_all_schemas_with_history() if s.domain == "" and s.deprecated}

rows = []
for name in sorted(by_name):
    schemas = sorted(by_name[name], key=lambda schema: schema.since_version)
    begins = [max(FIRST, schema.since_version) for schema in schemas]
    forms, before = [], None
    for i, schema in enumerate(schemas):
        if i + 1 < len(schemas) and begins[i + 1] == begins[i]:
            continue
        attrs = " ".join(sorted(schema.attributes))
        form = f"{slots(schema, schema.inputs)}>{slots(schema, schema.outputs)}" + (f" {attrs}" if attrs else "")
        if form != before:
            forms.append(f"{schema.since_version} {form}")
        before = form
    if name in gone:
        forms.append(f"{gone[name]}")
    rows.append(f"  {name}: '{'|'.join(forms)}',")

print("/**\n * The forms that each op of ai.onnx had from opset 7 to 23. Made by test/oracle/forms.py.\n *")
print(" * Each form: its first opset; a letter for the types of each input, then of each output (? may be left out, * any number,")
print(" * . no tensor); its attributes. A version alone says that the op was taken out.\n */\n")
print("/** Classes of element types; a letter each, as in `ELEMENT`. */")
print("export const CLASSES: Readonly<Record<string, string>> = {")
for letters, letter in classes.items():
    print(f"  {letter}: '{letters}',")
print("};\n")
print("export const ELEMENT: Readonly<Record<string, string>> = {")
for dtype, letter in LETTER.items():
    print(f"  { {'float': 'float32', 'double': 'float64'}.get(dtype, dtype)}: '{letter}',".replace("  ", "  ", 1))
print("};\n")
print("export const FORMS: Readonly<Record<string, string>> = {")
print("\n".join(rows))
print("};")
