"""Is a quantised network right more often because it is better, or because its images are not those it learnt?

Run      python bench/peers/jpeg_shift.py DATA pare-int8.onnx
Data     DATA/models/mlperf_resnet8_cifar10_fp32.onnx, DATA/images/cifar10
Prints   the same 4,000 images as they are and as JPEG of falling quality: accuracy and share of the float network's answers, of the floats, of NNCF's
         file (its defaults, 100 images) and of the one given; how often the floats name each class
"""
import gzip
import io
import sys

import nncf
import numpy as np
import onnx
import onnxruntime
from PIL import Image

data, given = sys.argv[1:3]


def read(name, most):
    content = gzip.open(f"{data}/images/cifar10/cifar10-{name}").read()
    rank = content[3]
    dims = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    return np.frombuffer(content[4 + 4 * rank :], np.uint8).reshape(dims)[:most]


def as_jpeg(images, quality):
    decoded = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(file, "JPEG", quality=quality)
        file.seek(0)
        decoded.append(np.asarray(Image.open(file)).transpose(2, 0, 1))
    return np.stack(decoded)


images = read("lossless4k-images-idx4-ubyte.gz", 4000)
labels = read("lossless4k-labels-idx1-ubyte.gz", 4000)
order = np.random.default_rng(0).permutation(10_000)[:100]
seen = read("train10k-images-idx4-ubyte.gz", 10_000)[order].astype("f4")
model = onnx.load(f"{data}/models/mlperf_resnet8_cifar10_fp32.onnx")
name = model.graph.input[0].name
small = nncf.quantize(model, nncf.Dataset([{name: seen[i : i + 1]} for i in range(100)]), subset_size=100)
sessions = {
    "float": onnxruntime.InferenceSession(model.SerializeToString()),
    "nncf": onnxruntime.InferenceSession(small.SerializeToString()),
    "given": onnxruntime.InferenceSession(given),
}
for quality in (None, 95, 85, 75, 50):
    shown = images if quality is None else as_jpeg(images, quality)
    parts = [shown[i : i + 50].astype("f4") for i in range(0, len(shown), 50)]
    named = {by: np.concatenate([s.run(None, {name: x})[0].argmax(1) for x in parts]) for by, s in sessions.items()}
    scores = "  ".join(
        f"{by} {100 * (of == labels).mean():.2f} ({100 * (of == named['float']).mean():.2f})" for by, of in named.items()
    )
    print(f"{'lossless' if quality is None else f'JPEG {quality}':9}  {scores}  {np.bincount(named['float'], minlength=10).tolist()}")
