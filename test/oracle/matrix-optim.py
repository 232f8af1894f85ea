"""Twenty steps of the optimisers that see matrices, in float64: PyTorch's Muon (its bfloat16 made float64) and Adafactor, Shampoo by eigenvalues.

Run      python test/oracle/matrix-optim.py > test/oracle/matrix-optim.json
Needs    torch 2.15

Weights and gradients are multiples of 1/1024, hence exact in float32 and in JSON. `options` are Pare's names.
"""
import json

import numpy as np
import torch

STEPS = 20
SHAPES = {"wide": [3, 5], "tall": [6, 2], "bias": [4]}
rng = np.random.RandomState(7)
exact = lambda dims, size: np.round(rng.randn(*dims) * size * 1024) / 1024
weights = {name: exact(dims, 1.0) for name, dims in SHAPES.items()}
gradients = [{name: exact(dims, 0.5) for name, dims in SHAPES.items()} for _ in range(STEPS)]
cases = []


def pytorch(title, optimizer, options, make, only=None):
    names = [name for name in SHAPES if only is None or name in only]
    params = {name: torch.tensor(weights[name], dtype=torch.float64, requires_grad=True) for name in names}
    running = make(list(params.values()))
    for step in gradients:
        for name, p in params.items():
            p.grad = torch.tensor(step[name], dtype=torch.float64)
        running.step()
    after = {name: p.detach().numpy() for name, p in params.items()}
    cases.append(dict(title=f"PyTorch {title}", optimizer=optimizer, options=options, after=after))


torch.bfloat16 = torch.float64  # Muon rounds to bfloat16, which is a choice of speed and none of the method
O = torch.optim
matrices = ["wide", "tall"]
pytorch("Muon", "muon", dict(lr=0.02), lambda p: O.Muon(p, lr=0.02, weight_decay=0.0), matrices)
pytorch("Muon, decay, no Nesterov", "muon", dict(lr=0.05, momentum=0.8, nesterov=False, decay=0.1, iterations=3), lambda p: O.Muon(p, lr=0.05, momentum=0.8, nesterov=False, weight_decay=0.1, ns_steps=3), matrices)
eps = (float(torch.finfo(torch.float32).eps), 1e-3)
pytorch("Adafactor", "adafactor", {}, lambda p: O.Adafactor(p, eps=eps))
pytorch("Adafactor, all options", "adafactor", dict(lr=0.3, rateDecay=-0.5, least=0.1, clip=2, decay=0.1), lambda p: O.Adafactor(p, lr=0.3, beta2_decay=-0.5, eps=(eps[0], 0.1), d=2.0, weight_decay=0.1))


def inverse_fourth_root(a, ridge):
    values, vectors = np.linalg.eigh(a + ridge * np.trace(a) / len(a) * np.eye(len(a)))
    return vectors @ np.diag(values ** -0.25) @ vectors.T


def shampoo(options, lr, momentum, keep, ridge, every):
    after = {}
    for name in SHAPES:
        w, v = weights[name].copy(), 0
        left = right = 0
        for t, step in enumerate(gradients):
            g = u = step[name]
            if g.ndim == 2:
                left, right = keep * left + (1 - keep) * g @ g.T, keep * right + (1 - keep) * g.T @ g
                if t % every == 0:
                    roots = inverse_fourth_root(left, ridge), inverse_fourth_root(right, ridge)
                u = roots[0] @ g @ roots[1]
                u = u * np.linalg.norm(g) / np.linalg.norm(u)
            v = momentum * v + u
            w = w - lr * v
        after[name] = w
    cases.append(dict(title="NumPy's Shampoo", optimizer="shampoo", options=options, after=after))


shampoo(dict(lr=0.05, eps=0.01, every=1), 0.05, 0.9, 0.95, 0.01, 1)
shampoo(dict(lr=0.02, momentum=0.5, keep=0.8, eps=0.1, every=4), 0.02, 0.5, 0.8, 0.1, 4)

flat = lambda record: {name: [float(f"{x:.12g}") for x in values.ravel()] for name, values in record.items()}
for case in cases:
    case["after"] = flat(case["after"])
line = lambda x: json.dumps(x, separators=(",", ":"))
print('{"made with":%s,"shapes":%s,' % (line(f"torch {torch.__version__.split('+')[0]}, numpy {np.__version__}"), line(SHAPES)))
print('"weights":%s,' % line(flat(weights)))
print('"gradients":[\n%s],' % ",\n".join(line(flat(g)) for g in gradients))
print('"cases":[\n%s]}' % ",\n".join(line(c) for c in cases))
