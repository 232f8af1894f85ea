"""PyTorch's side of bench/accuracy/distill: the same recipe on the same data; one JSON line in, one out."""
import json
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from cifar import split

threads, root, recorded = int(sys.argv[1]), sys.argv[2], sys.argv[3]
torch.set_num_threads(threads)


class Basic(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.a, self.na = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.b, self.nb = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.short = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o)) if stride > 1 else nn.Identity()

    def forward(self, x):
        return torch.relu(self.nb(self.b(torch.relu(self.na(self.a(x))))) + self.short(x))


def resnet8():
    layers, i = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for o, stride in ((16, 1), (32, 2), (64, 2)):
        layers.append(Basic(i, o, stride))
        i = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def plain():
    """cifar10_small_cnn: four 5x5 convolutions, one pool."""
    layers, i = [], 3
    for o, pool in ((12, False), (12, True), (24, False), (24, False)):
        layers += [nn.Conv2d(i, o, 5, 1, 1), nn.ReLU(), *([nn.MaxPool2d(2)] if pool else [])]
        i = o
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2400, 10))


def draw(net, linear):
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(m.weight) if isinstance(m, nn.Conv2d) else linear(m.weight)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
    return net


def soft_targets(s, t, y, T=4):
    return F.kl_div(F.log_softmax(s / T, 1), F.log_softmax(t / T, 1), reduction="batchmean", log_target=True) * T * T


def dkd(s, t, y, alpha=1, beta=2, T=4):
    mask = F.one_hot(y, s.shape[1]).float()
    p, q = F.softmax(t / T, 1), F.softmax(s / T, 1)
    two = lambda x: torch.stack([(x * mask).sum(1), (x * (1 - mask)).sum(1)], 1)
    tckd = F.kl_div(two(q).clamp_min(1e-12).log(), two(p), reduction="batchmean")
    away = 1000 * mask
    nckd = F.kl_div(F.log_softmax(s / T - away, 1), F.softmax(t / T - away, 1), reduction="batchmean")
    return (alpha * tckd + beta * nckd) * T * T


STUDENTS = {
    "resnet8": (resnet8, nn.init.xavier_uniform_, lambda ps, lr: torch.optim.SGD(ps, lr, 0.9, nesterov=True, weight_decay=5e-4)),
    "plain": (plain, nn.init.kaiming_normal_, torch.optim.Adam),
}
LESSONS = {"labels": (1, None), "soft-targets": (0.1, soft_targets), "dkd": (0.5, dkd)}
(x, y), (xt, yt) = split(root, "train10k"), split(root, "test2k")
teacher = torch.from_numpy(np.fromfile(recorded, np.float32).reshape(len(x), -1))
print(json.dumps({"ready": True, "version": torch.__version__}), flush=True)
for line in sys.stdin:
    ask = json.loads(line)
    torch.manual_seed(ask["seed"])
    make, linear, algorithm = STUDENTS[ask["student"]]
    net = draw(make(), linear).train()
    labels, loss = LESSONS[ask["lesson"]]
    steps, done = ask["epochs"] * (len(x) // 64), 0
    optimizer = algorithm(net.parameters(), ask["lr"])
    for _ in range(ask["epochs"]):
        for rows in torch.randperm(len(x))[: len(x) // 64 * 64].view(-1, 64):
            for group in optimizer.param_groups:
                group["lr"] = ask["lr"] / 2 * (1 + math.cos(math.pi * done / steps))
            out = net(x[rows])
            total = labels * F.cross_entropy(out, y[rows])
            if loss:
                total = total + (1 - labels) * loss(out, teacher[rows], y[rows])
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            done += 1
    net.eval()
    with torch.no_grad():
        right = sum((net(a).argmax(1) == b).sum().item() for a, b in zip(xt.split(500), yt.split(500)))
    print(json.dumps({"accuracy": right / len(xt)}), flush=True)
