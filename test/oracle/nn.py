"""Layers as PyTorch works them out in float64: output, and the slope of mean(output²) with respect to every weight.

Run      python test/oracle/nn.py > test/oracle/nn.json
Needs    torch >= 1.13

Weights stand under Pare's names and in Pare's layouts. Numbers are multiples of 1/1024, hence exact in float32 and in JSON.
"""
import json

import torch
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
exact = lambda *dims, size=1.0: torch.round(torch.randn(*dims) * size * 1024) / 1024
rows = []


def set_exact(module):
    for p in module.parameters():
        p.data = exact(*p.shape, size=0.5)


def row(layer, options, x, module, run, names):
    """names: Pare's name -> function from a list of tensors by PyTorch name to the tensor in Pare's layout."""
    y = run(x)
    (y ** 2).mean().backward()
    params = dict(module.named_parameters())
    weights, slopes = {}, {}
    for name, lay in names.items():
        for store, get in ((weights, lambda k: params[k].detach()), (slopes, lambda k: params[k].grad)):
            t = lay(get)
            store[name] = {"dims": list(t.shape), "data": t.contiguous().flatten().tolist()}
    rows.append({"layer": layer, "options": options, "input": {"dims": list(x.shape), "data": x.flatten().tolist()},
                 "weights": weights, "slopes": slopes, "output": {"dims": list(y.shape), "data": y.detach().flatten().tolist()}})


def gates(t, order, hidden):
    parts = t.split(hidden, 0)
    return torch.cat([parts[i] for i in order], 0)


def recurrent(kind, make, order, bidirectional):
    hidden, width, steps = 3, 4, 5
    module = make(width, hidden, batch_first=True, bidirectional=bidirectional)
    set_exact(module)
    ends = ["_l0"] + (["_l0_reverse"] if bidirectional else [])
    stack = lambda what: (lambda get: torch.stack([gates(get(what + end), order, hidden) for end in ends]))
    both = lambda get: torch.stack([torch.cat([gates(get("bias_ih" + end), order, hidden), gates(get("bias_hh" + end), order, hidden)]) for end in ends])
    names = {f"{kind}1.weight": stack("weight_ih"), f"{kind}1.recurrent": stack("weight_hh"), f"{kind}1.bias": both}
    row(kind, {"hidden": hidden, "bidirectional": bidirectional}, exact(2, steps, width), module, lambda x: module(x)[0], names)


for both in (False, True):
    recurrent("rnn", nn.RNN, [0], both)
    recurrent("lstm", nn.LSTM, [0, 3, 1, 2], both)  # i f g o -> i o f c
    recurrent("gru", nn.GRU, [1, 0, 2], both)  # r z n -> z r h

T = lambda key: (lambda get: get(key).T)
P = lambda key: (lambda get: get(key))
attention = {"attention1.in_proj.weight": T("in_proj_weight"), "attention1.in_proj.bias": P("in_proj_bias"),
             "attention1.out_proj.weight": T("out_proj.weight"), "attention1.out_proj.bias": P("out_proj.bias")}
for causal in (False, True):
    mha = nn.MultiheadAttention(6, 2, batch_first=True)
    set_exact(mha)
    mask = torch.triu(torch.ones(4, 4, dtype=torch.bool), 1) if causal else None
    row("attention", {"heads": 2, "causal": causal}, exact(2, 4, 6), mha, lambda x: mha(x, x, x, attn_mask=mask)[0], attention)

inside = {k: (lambda f: (lambda get: f(lambda key: get("self_attn." + key))))(f) for k, f in attention.items()}
block = {**inside, "dense1.weight": T("linear1.weight"), "dense1.bias": P("linear1.bias"), "dense2.weight": T("linear2.weight"),
         "dense2.bias": P("linear2.bias"), "layerNorm1.weight": P("norm1.weight"), "layerNorm1.bias": P("norm1.bias"),
         "layerNorm2.weight": P("norm2.weight"), "layerNorm2.bias": P("norm2.bias")}
for norm, activation in (("pre", "gelu"), ("post", "relu")):
    layer = nn.TransformerEncoderLayer(6, 2, 8, 0.0, activation, batch_first=True, norm_first=norm == "pre")
    set_exact(layer)
    row("block", {"heads": 2, "hidden": 8, "norm": norm, "activation": activation}, exact(2, 4, 6), layer, layer, block)

simple = {"weight": P("weight"), "bias": P("bias")}
named = lambda layer: {f"{layer}1.{key}": lay for key, lay in simple.items()}


def plain(layer, options, x, module):
    set_exact(module)
    row(layer, options, x, module, module, named("conv" if layer == "conv1d" else layer))


plain("conv1d", {"filters": 3, "kernel": 3, "stride": 2, "pad": 1}, exact(2, 4, 7), nn.Conv1d(4, 3, 3, 2, 1))
plain("depthwise", {"kernel": 3, "multiplier": 2, "pad": 1}, exact(2, 3, 5, 5), nn.Conv2d(3, 6, 3, 1, 1, groups=3))
plain("convTranspose", {"filters": 2, "kernel": 3, "stride": 2, "pad": 1, "outputPad": 1}, exact(2, 3, 4, 4), nn.ConvTranspose2d(3, 2, 3, 2, 1, 1))
plain("layerNorm", {}, exact(2, 4, 6), nn.LayerNorm(6))
plain("groupNorm", {"groups": 2}, exact(2, 4, 3, 3), nn.GroupNorm(2, 4))
for dims in ((4, 3, 5, 5), (6, 3)):
    plain("batchNorm", {}, exact(*dims), (nn.BatchNorm2d if len(dims) == 4 else nn.BatchNorm1d)(3))
print(json.dumps(rows))
