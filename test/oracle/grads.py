"""Gradients of ONNX ops by PyTorch's autograd, in double precision: writes grads.json beside this file.

Run with any PyTorch from 1.13 on:  python grads.py
Each case is one ONNX node: its inputs, attributes and outputs as the standard names them, the slope that reaches each
output, and the slope that PyTorch finds for each float input.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

torch.manual_seed(1)
torch.set_default_dtype(torch.float64)
cases = []


def draw(*dims):
    # Three decimals keep the file small; nothing lies on a kink.
    x = torch.randn(dims)
    return torch.round((x + torch.sign(x) * 0.05) * 1000) / 1000


def flat(t):
    return {"dims": list(t.shape), "data": [float(f"{v:.7g}") for v in t.detach().reshape(-1).tolist()]}


def case(name, op, inputs, outputs, slopes, attrs=None, domain="", exact=None):
    """inputs: slot -> tensor (None: left out); outputs: list of tensors; slopes: slot -> tensor; exact: int inputs."""
    cases.append(
        {
            "name": name,
            "op": op,
            "domain": domain,
            "attrs": attrs or {},
            "inputs": {k: flat(v) for k, v in inputs.items()},
            "exact": exact or {},
            "outputs": [{**flat(y), "slope": [float(f"{v:.7g}") for v in d.reshape(-1).tolist()]} for y, d in outputs],
            "slopes": {k: flat(v)["data"] for k, v in slopes.items()},
        }
    )


def simple(name, op, f, inputs, attrs=None, exact=None, domain=""):
    """f(**inputs) gives one tensor or several; every input gets a slope."""
    leaves = {k: v.clone().requires_grad_() for k, v in inputs.items()}
    ys = f(**leaves)
    ys = list(ys) if isinstance(ys, (tuple, list)) else [ys]
    dys = [draw(*y.shape) for y in ys]
    torch.autograd.backward(ys, dys)
    case(name, op, inputs, list(zip(ys, dys)), {k: v.grad for k, v in leaves.items()}, attrs, domain, exact)


# Convolutions, every attribute
def conv(name, x, w, b, stride, pad, dilation, group):
    d = len(x) - 2
    f = [F.conv1d, F.conv2d, F.conv3d][d - 1]
    begin, end = pad
    reverse = [p for i in reversed(range(d)) for p in (begin[i], end[i])]
    inputs = {"X": draw(*x), "W": draw(*w)}
    if b:
        inputs["B"] = draw(w[0])
    simple(
        name,
        "Conv",
        lambda X, W, B=None: f(F.pad(X, reverse), W, B, stride, 0, dilation, group),
        inputs,
        {"strides": stride, "pads": [*begin, *end], "dilations": dilation, "group": group},
    )


conv("conv", (2, 3, 5, 6), (4, 3, 3, 2), True, [1, 1], ([0, 0], [0, 0]), [1, 1], 1)
conv("conv, strides and uneven pads", (2, 3, 6, 5), (4, 3, 3, 3), True, [2, 3], ([1, 0], [2, 1]), [1, 1], 1)
conv("conv, dilations", (1, 2, 7, 8), (3, 2, 2, 3), False, [1, 2], ([1, 1], [1, 1]), [2, 2], 1)
conv("conv, groups", (2, 4, 5, 5), (6, 2, 3, 3), True, [2, 1], ([1, 1], [1, 1]), [1, 1], 2)
conv("conv, depthwise with multiplier", (1, 3, 5, 5), (6, 1, 3, 3), True, [1, 1], ([1, 1], [1, 1]), [1, 1], 3)
conv("conv, 1-D", (2, 3, 9), (2, 3, 4), True, [2], ([1], [2]), [2], 1)
conv("conv, 3-D", (1, 2, 3, 4, 4), (2, 2, 2, 2, 3), True, [1, 2, 1], ([0, 1, 0], [1, 0, 1]), [1, 1, 1], 1)


def transposed(name, x, w, stride, pad, extra, dilation, group):
    f = [F.conv_transpose1d, F.conv_transpose2d][len(x) - 3]
    simple(
        name,
        "ConvTranspose",
        lambda X, W, B: f(X, W, B, stride, pad, extra, group, dilation),
        {"X": draw(*x), "W": draw(*w), "B": draw(w[1] * group)},
        {"strides": stride, "pads": pad + pad, "output_padding": extra, "dilations": dilation, "group": group},
    )


transposed("transposed conv", (2, 3, 3, 4), (3, 2, 3, 2), [2, 2], [1, 0], [1, 0], [1, 1], 1)
transposed("transposed conv, groups", (1, 4, 3, 3), (4, 3, 2, 3), [1, 2], [0, 1], [0, 1], [1, 1], 2)
transposed("transposed conv, dilations", (1, 2, 6), (2, 3, 3), [3], [2], [1], [2], 1)

# Pools
for name, k, s, p, d, ceil in [
    ("max pool", [2, 2], [2, 2], [0, 0], [1, 1], False),
    ("max pool, overlapping", [3, 2], [2, 1], [1, 1], [1, 1], False),
    ("max pool, dilations", [2, 2], [1, 1], [0, 0], [2, 2], False),
    ("max pool, ceil", [3, 3], [2, 2], [0, 0], [1, 1], True),
]:
    simple(
        name,
        "MaxPool",
        lambda X: F.max_pool2d(X, k, s, p, d, ceil),
        {"X": draw(1, 2, 6, 7)},
        {"kernel_shape": k, "strides": s, "pads": p + p, "dilations": d, "ceil_mode": int(ceil)},
    )
for name, k, s, p, ceil, count in [
    ("average pool", [2, 3], [2, 3], [0, 0], False, False),
    ("average pool, pads not counted", [3, 3], [2, 2], [1, 1], False, False),
    ("average pool, pads counted", [3, 2], [1, 2], [1, 1], False, True),
    ("average pool, ceil", [3, 3], [2, 2], [0, 0], True, False),
]:
    simple(
        name,
        "AveragePool",
        lambda X: F.avg_pool2d(X, k, s, p, ceil, count),
        {"X": draw(1, 2, 6, 6)},
        {"kernel_shape": k, "strides": s, "pads": p + p, "ceil_mode": int(ceil), "count_include_pad": int(count)},
    )
simple("global average pool", "GlobalAveragePool", lambda X: X.mean((2, 3), keepdim=True), {"X": draw(2, 3, 3, 4)})
simple("lp pool", "LpPool", lambda X: F.avg_pool2d(X.abs() ** 3, [2, 2], [1, 2]).mul(4) ** (1 / 3), {"X": draw(1, 2, 4, 5)}, {"kernel_shape": [2, 2], "strides": [1, 2], "p": 3})

# Norms
simple(
    "batch norm, learning",
    "BatchNormalization",
    lambda X, scale, B: F.batch_norm(X, None, None, scale, B, True, 0, 1e-3),
    {"X": draw(3, 2, 3, 2), "scale": draw(2), "B": draw(2)},
    {"training_mode": 1, "epsilon": 1e-3},
    exact={"mean": ["float32", [2], [0, 0]], "var": ["float32", [2], [1, 1]]},
)
simple("instance norm", "InstanceNormalization", lambda X, scale, B: F.instance_norm(X, None, None, scale, B, True, 0, 1e-3), {"X": draw(2, 3, 4, 2), "scale": draw(3), "B": draw(3)}, {"epsilon": 1e-3})
simple("group norm", "GroupNormalization", lambda X, scale, bias: F.group_norm(X, 2, scale, bias, 1e-3), {"X": draw(2, 4, 3, 2), "scale": draw(4), "bias": draw(4)}, {"num_groups": 2, "epsilon": 1e-3})
simple("layer norm", "LayerNormalization", lambda X, Scale, B: F.layer_norm(X, [4], Scale, B, 1e-3), {"X": draw(2, 3, 4), "Scale": draw(4), "B": draw(4)}, {"epsilon": 1e-3})
simple("layer norm over two axes", "LayerNormalization", lambda X, Scale, B: F.layer_norm(X, [3, 4], Scale, B, 1e-3), {"X": draw(2, 3, 4), "Scale": draw(3, 4), "B": draw(3, 4)}, {"axis": 1, "epsilon": 1e-3})
simple("RMS norm", "RMSNormalization", lambda X, Scale: X / (X.pow(2).mean(-1, keepdim=True) + 1e-3).sqrt() * Scale, {"X": draw(2, 3, 4), "Scale": draw(4)}, {"epsilon": 1e-3})
simple("local response norm", "LRN", lambda X: F.local_response_norm(X, 3, 0.4, 0.6, 1.5), {"X": draw(1, 5, 2, 2)}, {"size": 3, "alpha": 0.4, "beta": 0.6, "bias": 1.5})
simple("lp norm", "LpNormalization", lambda X: F.normalize(X, 2, 1), {"X": draw(2, 3, 2)}, {"axis": 1, "p": 2})

# Recurrent nets: PyTorch's gates in ONNX's order, both directions
ORDERS = {"LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2], "RNN": [0]}


def recurrent(name, kind, hidden, lengths=None):
    steps, batch, width = 4, 2, 3
    order = ORDERS[kind]
    net = getattr(torch.nn, kind)(width, hidden, bidirectional=True)
    for p in net.parameters():
        p.data = draw(*p.shape) * 0.5
    inputs = {"X": draw(steps, batch, width), "initial_h": draw(2, batch, hidden)}
    if kind == "LSTM":
        inputs["initial_c"] = draw(2, batch, hidden)
    leaves = {k: v.clone().requires_grad_() for k, v in inputs.items()}
    first = (leaves["initial_h"], leaves["initial_c"]) if kind == "LSTM" else leaves["initial_h"]
    packed = leaves["X"] if lengths is None else torch.nn.utils.rnn.pack_padded_sequence(leaves["X"], lengths, enforce_sorted=False)
    y, last = net(packed, first)
    if lengths is not None:
        y = torch.nn.utils.rnn.pad_packed_sequence(y, total_length=steps)[0]
    y = y.reshape(steps, batch, 2, hidden).permute(0, 2, 1, 3)
    ys = [y, *(last if kind == "LSTM" else [last])]
    dys = [draw(*v.shape) for v in ys]
    torch.autograd.backward(ys, dys)

    def stacked(pick):
        def one(suffix):
            parts = [torch.cat([pick(p).chunk(len(order))[i] for i in order]) for p in (getattr(net, n + suffix) for n in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"))]
            return parts[0], parts[1], torch.cat(parts[2:])
        return [torch.stack(pair) for pair in zip(one(""), one("_reverse"))]

    for key, value, slope in zip("WRB", stacked(lambda p: p.data), stacked(lambda p: p.grad)):
        inputs[key] = value
        leaves[key] = type("Leaf", (), {"grad": slope})
    attrs = {"hidden_size": hidden, "direction": "bidirectional"}
    if kind == "GRU":
        attrs["linear_before_reset"] = 1
    exact = {} if lengths is None else {"sequence_lens": ["int32", [batch], lengths]}
    case(name, kind, inputs, list(zip(ys, dys)), {k: v.grad for k, v in leaves.items()}, attrs, exact=exact)


recurrent("LSTM", "LSTM", 3)
recurrent("LSTM, sequence lengths", "LSTM", 2, [4, 2])
recurrent("GRU", "GRU", 3)
recurrent("GRU, sequence lengths", "GRU", 2, [1, 4])
recurrent("RNN", "RNN", 3)

# Attention
def attention(Q, K, V, mask=None, scale=None):
    s = Q @ K.transpose(-1, -2) * (scale or Q.shape[-1] ** -0.5)
    return torch.softmax(s if mask is None else s + mask, -1) @ V


simple("attention", "Attention", lambda Q, K, V: attention(Q, K, V), {"Q": draw(1, 2, 3, 4), "K": draw(1, 2, 5, 4), "V": draw(1, 2, 5, 3)})
causal = torch.full((3, 3), float("-inf")).triu(1)
simple("attention, causal", "Attention", lambda Q, K, V: attention(Q, K, V, causal, 0.7), {"Q": draw(2, 2, 3, 4), "K": draw(2, 2, 3, 4), "V": draw(2, 2, 3, 4)}, {"is_causal": 1, "scale": 0.7})
simple("attention, shared heads", "Attention", lambda Q, K, V: attention(Q, K.repeat_interleave(2, 1), V.repeat_interleave(2, 1)), {"Q": draw(1, 4, 2, 3), "K": draw(1, 2, 3, 3), "V": draw(1, 2, 3, 3)})

# Einsum
for equation, dims in [
    ("ij,jk->ik", [(2, 3), (3, 4)]),
    ("bij,bkj->bik", [(2, 2, 3), (2, 4, 3)]),
    ("bhid,bhjd->bhij", [(1, 2, 3, 4), (1, 2, 2, 4)]),
    ("...ij,jk->...ik", [(2, 2, 3), (3, 2)]),
    ("i,j->ij", [(3,), (2,)]),
    ("ijk->ki", [(2, 3, 2)]),
    ("ij,jk,kl->il", [(2, 3), (3, 2), (2, 4)]),
]:
    values = {f"X{i}": draw(*d) for i, d in enumerate(dims)}
    simple(f"einsum {equation}", "Einsum", lambda **x: torch.einsum(equation, *x.values()), values, {"equation": equation})

# Resize
for name, size, mode, align in [
    ("nearest", (6, 8), "nearest", None),
    ("nearest, odd", (5, 3), "nearest", None),
    ("linear", (5, 7), "bilinear", False),
    ("linear, corners aligned", (7, 3), "bilinear", True),
    ("cubic", (6, 5), "bicubic", False),
    ("cubic, corners aligned", (5, 8), "bicubic", True),
]:
    simple(
        f"resize {name}",
        "Resize",
        lambda X: F.interpolate(X, size, mode=mode, align_corners=align),
        {"X": draw(1, 2, 3, 4)},
        {
            "mode": {"nearest": "nearest", "bilinear": "linear", "bicubic": "cubic"}[mode],
            "coordinate_transformation_mode": "asymmetric" if align is None else "align_corners" if align else "pytorch_half_pixel",
            "nearest_mode": "floor",
        },
        exact={"sizes": ["int64", [4], [1, 2, *size]]},
    )

# Element by element
for op, f, attrs in [
    ("Gelu", F.gelu, {}),
    ("Gelu", lambda x: F.gelu(x, approximate="tanh"), {"approximate": "tanh"}),
    ("Mish", F.mish, {}),
    ("Softplus", F.softplus, {}),
    ("Selu", F.selu, {}),
    ("Elu", lambda x: F.elu(x, 0.7), {"alpha": 0.7}),
    ("Celu", lambda x: F.celu(x, 0.7), {"alpha": 0.7}),
    ("HardSwish", F.hardswish, {}),
    ("HardSigmoid", F.hardsigmoid, {"alpha": 1 / 6, "beta": 0.5}),
    ("LeakyRelu", lambda x: F.leaky_relu(x, 0.2), {"alpha": 0.2}),
    ("Swish", lambda x: x * torch.sigmoid(1.3 * x), {"alpha": 1.3}),
    ("LogSoftmax", lambda x: F.log_softmax(x, -1), {}),
    ("Softmax", lambda x: F.softmax(x, 0), {"axis": 0}),
    ("Erf", torch.erf, {}),
    ("Softsign", F.softsign, {}),
]:
    simple(op + (" tanh" if "approximate" in attrs else ""), op, lambda X: f(X), {"X": draw(3, 5)}, attrs)
simple("PRelu", "PRelu", lambda X, slope: torch.where(X > 0, X, X * slope), {"X": draw(2, 3, 4), "slope": draw(3, 1)})

# Losses and places
labels = torch.tensor([2, 0, 3, 1])
weights = draw(4).abs() + 0.2
simple(
    "cross-entropy, weighted, one class ignored",
    "SoftmaxCrossEntropyLoss",
    lambda scores: F.cross_entropy(scores, labels, weights, ignore_index=0),
    {"scores": draw(4, 4)},
    {"ignore_index": 0},
    exact={"labels": ["int64", [4], labels.tolist()], "weights": ["float32", [4], weights.tolist()]},
)
places = torch.tensor([[0, 2, 2], [1, 0, 2]])
simple("gather", "GatherElements", lambda X: X.gather(0, places), {"X": draw(3, 3)}, exact={"indices": ["int64", [2, 3], places.reshape(-1).tolist()]})
simple("embedding", "Gather", lambda X: X[places], {"X": draw(4, 2)}, exact={"indices": ["int64", [2, 3], places.reshape(-1).tolist()]})
simple("scatter add", "ScatterElements", lambda X, updates: X.scatter_add(0, places, updates), {"X": draw(3, 3), "updates": draw(2, 3)}, {"reduction": "add"}, exact={"indices": ["int64", [2, 3], places.reshape(-1).tolist()]})
simple("cumulative sum", "CumSum", lambda X: X.flip(1).cumsum(1).flip(1), {"X": draw(2, 4)}, {"reverse": 1}, exact={"axis": ["int64", [], [1]]})
simple("top k", "TopK", lambda X: X.topk(2, 1)[0], {"X": draw(3, 5)}, {"axis": 1}, exact={"K": ["int64", [1], [2]]})
simple("pixel shuffle", "DepthToSpace", lambda X: F.pixel_shuffle(X, 2), {"X": draw(1, 8, 2, 3)}, {"blocksize": 2, "mode": "CRD"})
simple("reflect pad", "Pad", lambda X: F.pad(X, (1, 2, 0, 1), "reflect"), {"X": draw(1, 1, 3, 4)}, {"mode": "reflect"}, exact={"pads": ["int64", [8], [0, 0, 0, 1, 0, 0, 1, 2]]})

pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
print(len(cases), "cases")
