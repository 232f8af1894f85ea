"""Static int8 by onnxruntime.quantization or NNCF for bench/quantize/peers: one JSON line in, one out."""
import importlib
import json
import os
import sys
import time

import numpy as np
import onnx
import onnx.version_converter

peer = sys.argv[1]
# Not part of what is timed.
importlib.import_module("onnxruntime.quantization" if peer == "onnxruntime" else peer)


def samples_of(question):
    if "inputs" in question:
        # any number of inputs, each in the shape in which one sample is fed
        columns = {
            each["name"]: np.fromfile(each["samples"], each["dtype"]).reshape(question["count"], *each["dims"])
            for each in question["inputs"]
        }
        return [{name: values[i] for name, values in columns.items()} for i in range(question["count"])]
    x = np.fromfile(question["samples"], "f4").reshape(-1, *question["dims"])
    return [{question["input"]: x[i : i + 1]} for i in range(len(x))]


def modern(question):
    """Scales per channel came with opset 13."""
    model = onnx.load(question["model"])
    return model if model.opset_import[0].version >= 13 else onnx.version_converter.convert_version(model, 13)


def by_onnxruntime(question):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rest = iter(samples_of(question))

        def get_next(self):
            return next(self.rest, None)

    ready = question["out"] + ".pre"
    onnx.save(modern(question), ready)
    quant_pre_process(ready, ready, skip_symbolic_shape=True)
    form = {"quant_format": QuantFormat.QDQ, "activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    try:
        quantize_static(ready, question["out"], Reader(), per_channel=True, **form)
    except ValueError:
        # Some biases cannot be held against scales of several channels (mnist_cntk).
        quantize_static(ready, question["out"], Reader(), per_channel=False, **form)
    os.remove(ready)


def by_nncf(question):
    import nncf

    model = modern(question)
    data = nncf.Dataset(samples_of(question))
    onnx.save(nncf.quantize(model, data, subset_size=len(samples_of(question))), question["out"])


print(json.dumps({"ready": peer}), flush=True)
for line in sys.stdin:
    question = json.loads(line)
    start = time.perf_counter()
    try:
        {"onnxruntime": by_onnxruntime, "nncf": by_nncf}[peer](question)
        answer = {"seconds": time.perf_counter() - start}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"[:300]}
    print(json.dumps(answer), flush=True)
