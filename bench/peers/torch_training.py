"""PyTorch's side of bench/training: one JSON line in, one out."""
import json
import resource
import sys
import time

import torch
from torch import nn

threads = int(sys.argv[1])
torch.set_num_threads(threads)


class Basic(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.a, self.na = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.b, self.nb = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.short = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o)) if stride > 1 else nn.Identity()

    def forward(self, x):
        y = self.nb(self.b(torch.relu(self.na(self.a(x)))))
        return torch.relu(y + self.short(x))


def resnet20():
    layers, i = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for o, stride in ((16, 1), (32, 2), (64, 2)):
        for n in range(3):
            layers.append(Basic(i, o, stride if n == 0 else 1))
            i = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def seed_cnn():
    blocks, i = [], 3
    for o in (32, 64, 128):
        blocks += [nn.Conv2d(i, o, 3), nn.ReLU(), nn.MaxPool2d(2)]
        i = o
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(128 * 26 * 26, 512), nn.ReLU(), nn.Linear(512, 1000))


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(64, 128, batch_first=True), nn.Linear(128, 10)

    def forward(self, x):
        return self.out(self.lstm(x)[1][0][0])


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
        self.encoder, self.out = nn.TransformerEncoder(layer, 2), nn.Linear(128, 10)

    def forward(self, x):
        return self.out(self.encoder(x).mean(1))


MODELS = {
    "W1": lambda: nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10)),
    "W2": lambda: nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 10)),
    "W3": lambda: nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 5 * 5, 128), nn.ReLU(), nn.Linear(128, 10)),
    "W4": seed_cnn,
    "W5": resnet20,
    "W6": Lstm,
    "W7": Transformer,
}

print(json.dumps({"ready": True, "version": torch.__version__}), flush=True)
model = optimizer = x = y = None
for line in sys.stdin:
    ask = json.loads(line)
    if ask["do"] == "load":
        torch.manual_seed(0)
        model = MODELS[ask["name"]]().train()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        x = torch.rand([ask["batch"], *ask["input"]])
        y = torch.randint(0, ask["classes"], (ask["batch"],))
        print(json.dumps({"ok": True}), flush=True)
    elif ask["do"] == "memory":
        print(json.dumps({"peakMb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)
    else:
        begin = time.perf_counter()
        for _ in range(ask["count"]):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        float(loss)
        print(json.dumps({"ms": (time.perf_counter() - begin) * 1000 / ask["count"]}), flush=True)
