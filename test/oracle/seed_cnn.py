"""Gradients of the reference network by PyTorch, for test/oracle/seed-cnn.test.ts. Run: python test/oracle/seed_cnn.py"""
import json
import pathlib

import torch
from torch import nn

BATCH, INPUT, CLASSES, SAMPLED = 4, [3, 32, 32], 1000, 40


def numbers(count, salt, scale):
    """(i + salt) times a large odd number, modulo 2^32, as numbers in [-scale, scale)."""
    i = torch.arange(count, dtype=torch.int64) + salt
    bits = (i * 2654435761) % 2**32
    bits = ((bits ^ (bits >> 15)) * 2246822519) % 2**32
    return ((bits.double() / 2**31 - 1) * scale).float()


blocks, channels = [], 3
for filters in (32, 64, 128):
    blocks += [nn.Conv2d(channels, filters, 3), nn.ReLU(), nn.MaxPool2d(2)]
    channels = filters
model = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(128 * 2 * 2, 512), nn.ReLU(), nn.Linear(512, CLASSES))
names = [f"{layer}.{kind}" for layer in ("conv1", "conv2", "conv3", "dense1", "dense2") for kind in ("weight", "bias")]
for salt, parameter in enumerate(model.parameters()):
    fan_in = parameter[0].numel() if parameter.dim() > 1 else 100
    parameter.data = numbers(parameter.numel(), 1000 * (salt + 1), (6 / fan_in) ** 0.5).reshape(parameter.shape)
x = numbers(BATCH * 3 * 32 * 32, 7, 1).reshape(BATCH, *INPUT)
labels = torch.tensor([1, 998, 37, 512])
model.double()
loss = nn.functional.cross_entropy(model(x.double()), labels)
loss.backward()
gradients = {}
for name, parameter in zip(names, model.parameters()):
    flat = parameter.grad.flatten()
    places = [(k * 7919) % flat.numel() for k in range(SAMPLED)]
    gradients[name] = {"norm": float(flat.norm()), "places": places, "values": [float(flat[p]) for p in places]}
out = {"torch": torch.__version__, "loss": float(loss), "gradients": gradients}
pathlib.Path(__file__).with_name("seed-cnn.json").write_text(json.dumps(out) + "\n")
