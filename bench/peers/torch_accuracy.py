"""PyTorch's (and scikit-learn's) side of bench/accuracy: the same arrays, network, budget and schedule; one JSON line in, one out."""
import json
import math
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(int(sys.argv[1]))


def he(layer):
    """As Pare begins: He normal, biases 0."""
    if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def headed(net):
    net.apply(he)
    last = [m for m in net.modules() if isinstance(m, nn.Linear)][-1]
    nn.init.xavier_uniform_(last.weight)
    return net


class Basic(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(), nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o))
        self.short = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o)) if stride > 1 else nn.Identity()

    def forward(self, x):
        return torch.relu(self.f(x) + self.short(x))


def resnet20(q):
    layers, i = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for o, stride in ((16, 1), (32, 2), (64, 2)):
        for n in range(3):
            layers.append(Basic(i, o, stride if n == 0 else 1))
            i = o
    return headed(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, q['outputs'])))


def mnist(q):
    blocks = lambda i, o: [nn.Conv2d(i, o, 5), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2)]
    return headed(nn.Sequential(*blocks(1, 16), *blocks(16, 32), nn.Flatten(), nn.Linear(512, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10)))


def sound(q):
    def block(i, o, *a, pool=True):
        return [nn.Conv1d(i, o, *a), nn.BatchNorm1d(o), nn.ReLU()] + ([nn.MaxPool1d(4)] if pool else [])
    return headed(nn.Sequential(*block(1, 32, 80, 16), *block(32, 64, 3), *block(64, 128, 3, pool=False), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(128, 10)))


def autoencoder(q):
    sizes = [784, 128, 32, 128]
    hidden = [m for i, o in zip(sizes, sizes[1:]) for m in (nn.Linear(i, o), nn.ReLU())]
    return headed(nn.Sequential(*hidden, nn.Linear(128, 784)))


def mlp(q):
    sizes = [q['x']['dims'][1], *q['units']]
    hidden = [m for i, o in zip(sizes, sizes[1:]) for m in (nn.Linear(i, o), nn.ReLU())]
    return headed(nn.Sequential(*hidden, nn.Linear(sizes[-1], q['outputs'])))


class Lstm(nn.Module):
    def __init__(self, q):
        super().__init__()
        self.table = nn.Embedding(q['tokens'], q['width'])
        nn.init.normal_(self.table.weight, std=q['width'] ** -0.5)
        self.lstm, self.drop, self.out = nn.LSTM(q['width'], q['hidden'], batch_first=True), nn.Dropout(q['dropout']), nn.Linear(q['hidden'], q['outputs'])
        nn.init.xavier_uniform_(self.out.weight), nn.init.zeros_(self.out.bias)

    def forward(self, x):
        lengths = (x != 0).sum(1).clamp(min=1)
        packed = nn.utils.rnn.pack_padded_sequence(self.table(x), lengths, batch_first=True, enforce_sorted=False)
        return self.out(self.drop(self.lstm(packed)[1][0][0]))


class Transformer(nn.Module):
    def __init__(self, q):
        super().__init__()
        d = q['width']
        self.table = nn.Embedding(q['tokens'], d)
        nn.init.normal_(self.table.weight, std=d ** -0.5)
        t, k = torch.arange(q['x']['dims'][1])[:, None], torch.arange(d)
        angle = t / 10000 ** ((k - k % 2) / d)
        self.register_buffer('places', torch.where(k % 2 == 0, angle.sin(), angle.cos()))
        block = nn.TransformerEncoderLayer(d, q['heads'], q['hidden'], q['dropout'], 'gelu', batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, q['layers'], enable_nested_tensor=False)
        for p in self.blocks.parameters():
            if p.dim() > 1:
                nn.init.xavier_uniform_(p)
        self.norm, self.out = nn.LayerNorm(d), nn.Linear(d, q['outputs'])
        nn.init.xavier_uniform_(self.out.weight), nn.init.zeros_(self.out.bias)

    def forward(self, x):
        pad = x == 0
        y = self.norm(self.blocks(self.table(x) + self.places, src_key_padding_mask=pad))
        keep = (~pad).float()[..., None]
        return self.out((y * keep).sum(1) / keep.sum(1).clamp(min=1))


NETS = {'resnet20': resnet20, 'mnist': mnist, 'sound': sound, 'autoencoder': autoencoder, 'mlp': mlp, 'lstm': Lstm, 'transformer': Transformer}


def array(a):
    return torch.from_numpy(np.fromfile(a['file'], a['dtype']).reshape(a['dims']))


def shifted(x, pixels):
    n, _, h, w = x.shape
    padded = F.pad(x, (pixels,) * 4)
    at = torch.randint(0, 2 * pixels + 1, (n, 2))
    return torch.stack([padded[i, :, a:a + h, b:b + w] for i, (a, b) in enumerate(at.tolist())])


def train(q, seed, x, y):
    torch.manual_seed(seed)
    net = NETS[q['net']](q)
    steps = q['epochs'] * (len(x) // q['batch'])
    if q.get('optimizer') == 'sgd':
        optimizer = torch.optim.SGD(net.parameters(), q['lr'], momentum=0.9, nesterov=True, weight_decay=5e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, q['lr'], steps, cycle_momentum=False)
    else:
        optimizer = torch.optim.Adam(net.parameters(), q['lr'])
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    loss_of = F.mse_loss if y.dtype == torch.float32 else F.cross_entropy
    net.train()
    for _ in range(q['epochs']):
        order = torch.randperm(len(x))
        for i in range(0, len(x) - q['batch'] + 1, q['batch']):
            rows = order[i:i + q['batch']]
            a = x[rows]
            if 'shift' in q:
                a = shifted(a, q['shift'])
            if q.get('flip'):
                a = torch.where(torch.rand(len(a), 1, 1, 1) < 0.5, a.flip(3), a)
            optimizer.zero_grad()
            loss_of(net(a), y[rows]).backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def score(metric, out, y):
    if metric == 'accuracy':
        return (out.argmax(1) == y).float().mean().item()
    if metric == 'mae':
        return (out - y).abs().mean().item()
    return (1 - ((out - y) ** 2).sum() / ((y - y.mean(0)) ** 2).sum()).item()


def by_sklearn(kind, x, y, xt, yt):
    from sklearn import ensemble, linear_model, neural_network
    models = {
        'regression': {'linear regression': linear_model.LinearRegression(), 'MLPRegressor (128, 64)': neural_network.MLPRegressor(hidden_layer_sizes=(128, 64), early_stopping=True, random_state=0), 'random forest': ensemble.RandomForestRegressor(100, random_state=0)},
        'classification': {'logistic regression': linear_model.LogisticRegression(max_iter=1000), 'MLPClassifier (32)': neural_network.MLPClassifier((32,), max_iter=500, random_state=0), 'random forest': ensemble.RandomForestClassifier(100, random_state=0)},
    }[kind]
    return {name: model.fit(x, y).score(xt, yt) for name, model in models.items()}


print(json.dumps({'ready': True, 'version': torch.__version__}), flush=True)
for line in sys.stdin:
    q = json.loads(line)
    x, y, xt, yt = (array(q[k]) for k in ('x', 'y', 'xt', 'yt'))
    scores = []
    for seed in q['seeds']:
        net = train(q, seed, x, y)
        with torch.no_grad():
            scores.append(score(q['metric'], torch.cat([net(part) for part in xt.split(500)]), yt))
    answer = {'torch': scores, 'torchVersion': torch.__version__}
    if 'sklearn' in q:
        answer['sklearn'] = by_sklearn(q['sklearn'], x.numpy(), y.numpy().ravel(), xt.numpy(), yt.numpy().ravel())
    print(json.dumps(answer), flush=True)
