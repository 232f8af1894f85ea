"""Every loss and its slope with respect to the output, as PyTorch works them out in float64.

Run      python test/oracle/loss.py > test/oracle/loss.json
Needs    torch >= 1.13

Numbers are multiples of 1/1024, hence exact in float32 and in JSON.
"""
import json

import torch
import torch.nn.functional as F

torch.manual_seed(0)
exact = lambda *dims: torch.round(torch.randn(*dims, dtype=torch.float64) * 1024) / 1024
rows = []


def row(name, loss, output, labels=None, options=None, other=None):
    output.requires_grad_()
    value = loss(output)
    value.backward()
    rows.append({
        "loss": name, "options": options or {}, "dims": list(output.shape), "output": output.detach().flatten().tolist(),
        "labels": None if labels is None else {"dims": list(labels.shape), "dtype": "int64" if labels.dtype == torch.int64 else "float32", "data": labels.flatten().tolist()},
        "other": None if other is None else {"dims": list(other.shape), "data": other.flatten().tolist()},
        "value": float(value), "slope": output.grad.flatten().tolist()})


classes = torch.tensor([2, 0, 1, 2, 3, 3])
row("cross-entropy", lambda x: F.cross_entropy(x, classes), exact(6, 4), classes)
row("cross-entropy", lambda x: F.cross_entropy(x, classes, label_smoothing=0.1), exact(6, 4), classes, {"labelSmoothing": 0.1})
w = [1.0, 2.0, 0.5, 0.25]
row("cross-entropy", lambda x: F.cross_entropy(x, classes, weight=torch.tensor(w, dtype=torch.float64)), exact(6, 4), classes, {"classWeights": w})
bits = (exact(5, 3) > 0).double()
row("bce", lambda x: F.binary_cross_entropy_with_logits(x, bits), exact(5, 3) * 4, bits)
row("bce", lambda x: F.binary_cross_entropy_with_logits(x, bits, pos_weight=torch.tensor(3.0)), exact(5, 3), bits, {"positiveWeight": 3})


def focal(gamma):
    def loss(x):
        ce = F.cross_entropy(x, classes, reduction="none")
        return ((1 - torch.exp(-ce)) ** gamma * ce).mean()
    return loss


row("focal", focal(2), exact(6, 4), classes)
row("focal", focal(0.5), exact(6, 4), classes, {"gamma": 0.5})
t = exact(5, 3)
row("mse", lambda x: F.mse_loss(x, t), exact(5, 3), t)
row("mae", lambda x: F.l1_loss(x, t), exact(5, 3), t)
row("huber", lambda x: F.huber_loss(x, t), exact(5, 3) * 2, t)
row("huber", lambda x: F.huber_loss(x, t, delta=0.25), exact(5, 3), t, {"delta": 0.25})
p = torch.tensor([[0.5, 0.25, 0.25, 0], [0, 0, 1, 0], [0.125, 0.125, 0.5, 0.25]], dtype=torch.float64)
row("kl", lambda x: F.kl_div(F.log_softmax(x, 1), p, reduction="batchmean"), exact(3, 4), p)
c = exact(4, 5)
row("cosine", lambda x: F.cosine_embedding_loss(x, c, torch.ones(4)), exact(4, 5), c)


def hard(margin):
    kinds = torch.tensor([0, 0, 1, 1, 2, 2, 0])

    def loss(x):
        d = torch.sqrt(torch.clamp(((x[:, None] - x[None]) ** 2).sum(-1), min=1e-12))
        same = kinds[:, None] == kinds[None]
        far = torch.where(same, d, torch.full_like(d, -1e9)).max(1).values
        near = torch.where(same, torch.full_like(d, 1e9), d).min(1).values
        return torch.relu(far - near + margin).mean()
    return kinds, loss


kinds, loss = hard(0.2)
row("triplet", loss, exact(7, 3), kinds)
_, loss = hard(2.0)
row("triplet", loss, exact(7, 3), kinds, {"margin": 2})
b = exact(5, 4)


def nce(a):
    logits = F.normalize(a) @ F.normalize(b).T / 0.5
    own = torch.arange(5)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


row("info-nce", nce, exact(5, 4), None, {"temperature": 0.5, "other": "other"}, b)
words = torch.tensor([[1, 2, 2], [3, 1, -1], [2, -1, -1]])
lengths = torch.tensor([3, 2, 1])
flat = torch.tensor([1, 2, 2, 3, 1, 2])
row("ctc", lambda x: F.ctc_loss(F.log_softmax(x, 2).transpose(0, 1), flat, torch.tensor([6, 6, 6]), lengths, reduction="mean"),
    exact(3, 6, 4), words, {"labels": 3})
print(json.dumps(rows))
