"""Writes functions.json: a model with functions of its own, and what ONNX Runtime makes of it.

Run with onnx, onnxruntime and numpy installed:  python test/oracle/functions.py
"""

import base64
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import AttributeProto, TensorProto, helper, parser

model = parser.parse_model(
    """
    <ir_version: 9, opset_import: ["" : 18, "own" : 1]>
    main (float[N, 4] x, bool c) => (float[N, 4] y, float[N, 4] z)
    <float[4, 4] w = {1, 0, 0.5, 0, 0, 1, 0, 0.25, -1, 0, 1, 0, 0, 2, 0, 1}>
    {
      h = own.dense <slope: float = 0.2> (x, w)
      y = own.dense (h, w)
      z = own.choose <slope: float = 0.3> (y, c)
    }
    <opset_import: ["" : 18], domain: "own">
    dense <slope: float = 0.1> (a, m) => (r)
    {
      p = MatMul (a, m)
      r = own.leak <alpha: float = @slope> (p)
    }
    <opset_import: ["" : 18], domain: "own">
    leak <alpha> (a) => (r)
    {
      r = LeakyRelu <alpha: float = @alpha> (a)
    }
    <opset_import: ["" : 18, "own" : 1], domain: "own">
    choose <slope> (a, c) => (r)
    {
      r = If (c) <
        then_branch = yes () => (t) { s = Neg (a) t = LeakyRelu <alpha: float = @slope> (s) },
        else_branch = no () => (e) { e = Identity (a) }
      >
    }
    """
)
for function in model.functions:
    if function.name == "dense":
        function.opset_import.append(helper.make_opsetid("own", 1))
x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
session = onnxruntime.InferenceSession(model.SerializeToString())
outputs = {}
for c in (False, True):
    y, z = session.run(None, {"x": x, "c": np.array(c)})
    outputs[str(c).lower()] = {"y": y.ravel().tolist(), "z": z.ravel().tolist()}
pathlib.Path(__file__).with_suffix(".json").write_text(
    json.dumps({"model": base64.b64encode(model.SerializeToString()).decode(), "x": x.ravel().tolist(), "outputs": outputs})
    + "\n"
)
