"""Torch-Pruning's side of bench/accuracy/prune-cifar: the same weights, criterion, budget and fine-tuning; one JSON line in, one out."""
import copy
import json
import math
import sys

import onnx
import torch
import torch.nn.functional as F
import torch_pruning as tp
from onnx import numpy_helper
from torch import nn

from cifar import split

threads, root = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(threads)


class Basic(nn.Module):
    """The stored networks skip by slicing and padding, which Torch-Pruning cannot follow: here a 1x1 convolution does exactly the same."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.shortcut = nn.Identity()
        if stride > 1:
            self.shortcut = nn.Conv2d(i, o, 1, stride, bias=False)
            nn.init.zeros_(self.shortcut.weight)
            with torch.no_grad():
                for k in range(i):
                    self.shortcut.weight[(o - i) // 2 + k, k] = 1

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.conv1, self.bn1, i = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), 16
        for stage, o in enumerate((16, 32, 64), 1):
            layers = []
            for n in range(blocks):
                layers.append(Basic(i, o, 2 if stage > 1 and n == 0 else 1))
                i = o
            setattr(self, f"layer{stage}", nn.Sequential(*layers))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.linear(x.mean((2, 3)))


def load(path):
    weights = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in onnx.load(path).graph.initializer}
    net = ResNet(sum(name.startswith("layer1.") and name.endswith("conv1.weight") for name in weights))
    state = net.state_dict()
    net.load_state_dict({name: weights.get(name, old) for name, old in state.items()})
    left_out = [name for name in state if name not in weights and "shortcut" not in name and "num_batches" not in name]
    assert not left_out, left_out
    return net


def batches(x, y, seed):
    """Shifted by up to four pixels and mirrored, in a new order each time."""
    for rows in torch.randperm(len(x))[: len(x) // 64 * 64].view(-1, 64):
        a, at = F.pad(x[rows], (4,) * 4), torch.randint(0, 9, (64, 2)).tolist()
        a = torch.stack([image[:, i : i + 32, j : j + 32] for image, (i, j) in zip(a, at)])
        yield torch.where(torch.rand(64, 1, 1, 1) < 0.5, a.flip(3), a), y[rows]


def soft_targets(s, t, T):
    return F.kl_div(F.log_softmax(s / T, 1), F.log_softmax(t / T, 1), reduction="batchmean", log_target=True) * T * T


def accuracy(net, x, y):
    net.eval()
    with torch.no_grad():
        return sum((net(a).argmax(1) == b).sum().item() for a, b in zip(x.split(500), y.split(500))) / len(x)


def prune(net, q, x, y):
    sample = torch.zeros(1, 3, 32, 32)
    importance = {"taylor": tp.importance.GroupTaylorImportance, "l2": tp.importance.GroupMagnitudeImportance}[q["by"]]()
    whole, _ = tp.utils.count_ops_and_params(net, sample)
    pruner = tp.pruner.BasePruner(net, sample, importance, global_pruning=True, pruning_ratio=0.9, iterative_steps=400, ignored_layers=[net.linear], round_to=q["round"])
    net.eval()
    for a, b in list(zip(x.split(64), y.split(64)))[: q["samples"] // 64]:
        F.cross_entropy(net(a), b).backward()
    while tp.utils.count_ops_and_params(net, sample)[0] > q["keep"] * whole:
        pruner.step()
    left, parameters = tp.utils.count_ops_and_params(net, sample)
    return whole / left, parameters


train, test = split(root, "train10k"), split(root, "test2k")
print(json.dumps({"ready": True, "version": tp.__version__}), flush=True)
for line in sys.stdin:
    q = json.loads(line)
    torch.manual_seed(q["seed"])
    teacher = load(q["dense"]).eval()
    net = copy.deepcopy(teacher)
    before = accuracy(net, *test)
    rows = torch.randperm(len(train[0]))[: q["samples"]]
    fewer, parameters = prune(net, q, train[0][rows], train[1][rows])
    optimizer = torch.optim.SGD(net.parameters(), q["lr"], 0.9, nesterov=True, weight_decay=5e-4)
    steps, done = q["epochs"] * (len(train[0]) // 64), 0
    for _ in range(q["epochs"]):
        net.train()
        for a, b in batches(*train, q["seed"]):
            for group in optimizer.param_groups:
                group["lr"] = q["lr"] / 2 * (1 + math.cos(math.pi * done / steps))
            with torch.no_grad():
                told = teacher(a)
            out = net(a)
            loss = (1 - q["distill"]) * F.cross_entropy(out, b) + q["distill"] * soft_targets(out, told, q["temperature"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
    print(json.dumps({"dense": before, "pruned": accuracy(net, *test), "fewerMacs": fewer, "parameters": parameters}), flush=True)
