"""TensorProtos of every element type, written by the onnx package, in typed fields and as raw data.

    pip install onnx==1.23.2 && python onnx-tensors.py > onnx-tensors.json

Each row: dtype, dims, the message with typed data, the message with raw data (both base64), and the elements as raw
bytes (base64; null for strings, whose elements are in `strings`).
"""
import base64
import json

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

rng = np.random.default_rng(7)
rows = []


def text(data):
    return base64.b64encode(data).decode()


def row(name, code, array):
    raw = numpy_helper.from_array(array, "w")
    assert raw.data_type == code, (name, raw.data_type, code)
    values = array.flatten()
    typed = helper.make_tensor("w", code, array.shape, values if code not in (T.COMPLEX64, T.COMPLEX128) else values.tolist())
    assert not typed.HasField("raw_data"), name
    assert np.array_equal(numpy_helper.to_array(typed).view(np.uint8), numpy_helper.to_array(raw).view(np.uint8)), name
    rows.append({
        "dtype": name, "dims": list(array.shape), "typed": text(typed.SerializeToString()),
        "raw": text(raw.SerializeToString()), "bytes": text(raw.raw_data),
    })


def whole(dtype, low, high):
    return rng.integers(low, high, size=(3, 5), endpoint=True).astype(dtype)


floats = (rng.standard_normal((3, 5)) * 3).astype(np.float32)
row("float32", T.FLOAT, floats)
row("float64", T.DOUBLE, floats.astype(np.float64) / 3)
row("float16", T.FLOAT16, floats.astype(np.float16))
row("bfloat16", T.BFLOAT16, floats.astype(ml_dtypes.bfloat16))
row("float8e4m3fn", T.FLOAT8E4M3FN, floats.astype(ml_dtypes.float8_e4m3fn))
row("float8e4m3fnuz", T.FLOAT8E4M3FNUZ, floats.astype(ml_dtypes.float8_e4m3fnuz))
row("float8e5m2", T.FLOAT8E5M2, floats.astype(ml_dtypes.float8_e5m2))
row("float8e5m2fnuz", T.FLOAT8E5M2FNUZ, floats.astype(ml_dtypes.float8_e5m2fnuz))
row("float8e8m0", T.FLOAT8E8M0, np.abs(floats).astype(ml_dtypes.float8_e8m0fnu))
row("float4e2m1", T.FLOAT4E2M1, floats.astype(ml_dtypes.float4_e2m1fn))
row("complex64", T.COMPLEX64, (floats + 1j * floats[::-1]).astype(np.complex64))
row("complex128", T.COMPLEX128, (floats + 1j * floats[::-1]).astype(np.complex128))
row("bool", T.BOOL, whole(np.int32, 0, 1).astype(bool))
row("int4", T.INT4, whole(np.int32, -8, 7).astype(ml_dtypes.int4))
row("uint4", T.UINT4, whole(np.int32, 0, 15).astype(ml_dtypes.uint4))
row("int2", T.INT2, whole(np.int32, -2, 1).astype(ml_dtypes.int2))
row("uint2", T.UINT2, whole(np.int32, 0, 3).astype(ml_dtypes.uint2))
for bits in (8, 16, 32, 64):
    for sign in ("int", "uint"):
        info = np.iinfo(f"{sign}{bits}")
        array = rng.integers(info.min, info.max, size=(3, 5), endpoint=True, dtype=info.dtype)
        array[0, :2] = info.min, info.max
        row(f"{sign}{bits}", getattr(T, f"{sign}{bits}".upper()), array)

strings = ["", "a", "grün", "日本", "😀", "a\nb"]
typed = helper.make_tensor("w", T.STRING, [2, 3], [s.encode() for s in strings])
rows.append({"dtype": "string", "dims": [2, 3], "typed": text(typed.SerializeToString()), "raw": None, "bytes": None, "strings": strings})
print(json.dumps(rows, ensure_ascii=False, indent=1))
