"""Losses of distillation and their slopes, from PyTorch: python test/oracle/distill.py > test/oracle/distill.json

The formulas are those of mdistiller (github.com/megvii-research/mdistiller), written out here.
"""
import json
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def numbers(shape, salt, scale=1.0):
    """The numbers that the test draws too."""
    count = 1
    for dim in shape:
        count *= dim
    out = []
    for i in range(count):
        bits = ((i + salt) * 2654435761) & 0xFFFFFFFF
        bits = ((bits ^ (bits >> 15)) * 2246822519) & 0xFFFFFFFF
        out.append((bits / 2**31 - 1) * scale)
    return torch.tensor(out).to(torch.float32).double().reshape(shape)


def kd(s, t, T=4):
    return F.kl_div(F.log_softmax(s / T, 1), F.softmax(t / T, 1), reduction="batchmean") * T * T


def dkd(s, t, target, alpha=1, beta=8, T=4):
    mask = F.one_hot(target, s.shape[1]).double()
    p, q = F.softmax(t / T, 1), F.softmax(s / T, 1)
    two = lambda x: torch.stack([(x * mask).sum(1), (x * (1 - mask)).sum(1)], 1)
    tckd = F.kl_div(torch.log(two(q)), two(p), reduction="sum") * T * T / len(s)
    nckd = (
        F.kl_div(F.log_softmax(s / T - 1000 * mask, 1), F.softmax(t / T - 1000 * mask, 1), reduction="sum") * T * T / len(s)
    )
    return alpha * tckd + beta * nckd


def at(s, t):
    q = lambda f: F.normalize(f.pow(2).mean(1).reshape(f.shape[0], -1))
    return (q(s) - q(t)).pow(2).mean()


def sp(s, t):
    g = lambda f: F.normalize(f.reshape(f.shape[0], -1) @ f.reshape(f.shape[0], -1).T)
    return (g(t) - g(s)).pow(2).sum() / len(s) ** 2


def rkd(s, t):
    s, t = s.mean((2, 3)), t.mean((2, 3))

    def pdist(e):
        sq = e.pow(2).sum(1)
        res = (sq[:, None] + sq[None] - 2 * e @ e.T).clamp(min=1e-12).sqrt()
        return res * (1 - torch.eye(len(e)))

    def distances(e):
        d = pdist(e)
        return d / d[d > 0].mean()

    def angles(e):
        n = F.normalize(e[None] - e[:, None], p=2, dim=2)
        return torch.bmm(n, n.transpose(1, 2))

    return 25 * F.smooth_l1_loss(distances(s), distances(t)) + 50 * F.smooth_l1_loss(angles(s), angles(t))


def pkt(s, t, eps=1e-7):
    s, t = s.mean((2, 3)), t.mean((2, 3))

    def p(e):
        e = F.normalize(e)
        m = (e @ e.T + 1) / 2
        return m / m.sum(1, keepdim=True)

    q, r = p(s), p(t)
    return (r * torch.log((r + eps) / (q + eps))).mean()


def crd(s, t, tau=0.07):
    s, t = F.normalize(s.mean((2, 3))), F.normalize(t.mean((2, 3)))
    return F.cross_entropy(s @ t.T / tau, torch.arange(len(s)))


def case(f, shape, scale, **kwargs):
    s = numbers(shape, 11, scale).requires_grad_()
    t = numbers(shape, 7777, scale)
    loss = f(s, t, **kwargs)
    (slope,) = torch.autograd.grad(loss, s)
    return {"shape": list(shape), "scale": scale, "loss": loss.item(), "slope": [float(f"{x:.8g}") for x in slope.flatten()]}


N = 5
labels = torch.tensor([3, 0, 6, 2, 3])
print(
    json.dumps(
        {
            "soft-targets": case(kd, (N, 7), 6.0),
            "dkd": case(dkd, (N, 7), 6.0, target=labels),
            "mse": case(lambda s, t: F.mse_loss(s, t), (N, 7), 2.0),
            "hints": case(lambda s, t: F.mse_loss(s, t), (N, 3, 4, 2), 1.0),
            "attention": case(at, (N, 3, 4, 2), 1.0),
            "similarity": case(sp, (N, 3, 4, 2), 1.0),
            "relations": case(rkd, (N, 3, 4, 2), 1.0),
            "probabilistic": case(pkt, (N, 3, 4, 2), 1.0),
            "contrast": case(crd, (N, 3, 4, 2), 1.0),
        },
        indent=0,
    )
)
