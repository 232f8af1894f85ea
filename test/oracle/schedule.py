"""Learning rates of PyTorch's schedulers over 60 steps.

Run      python test/oracle/schedule.py > test/oracle/schedule.json
Needs    torch 2.9
"""
import json
import math

import torch
from torch.optim import lr_scheduler as S

STEPS = 60
BASE = 0.4


def rates(make):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE)
    scheduler = make(optimizer)
    seen = []
    for _ in range(STEPS):
        seen.append(float(f"{optimizer.param_groups[0]['lr']:.12g}"))
        optimizer.step()
        scheduler.step()
    return seen


measures = [float(f"{2 * math.exp(-k / 6) + 0.05 * math.sin(2.3 * k):.6g}") for k in range(STEPS)]


def plateau(values, **options):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE)
    scheduler = S.ReduceLROnPlateau(optimizer, **options)
    seen = []
    for value in values:
        scheduler.step(value)
        seen.append(float(f"{optimizer.param_groups[0]['lr']:.12g}"))
    return seen


sequence = lambda o: S.SequentialLR(o, [S.LinearLR(o, 0.25, 1, 8), S.CosineAnnealingLR(o, 52)], [8])
print(json.dumps({
    "made with": f"torch {torch.__version__.split('+')[0]}",
    "step": rates(lambda o: S.StepLR(o, 7, 0.5)),
    "multi-step": rates(lambda o: S.MultiStepLR(o, [5, 20, 21], 0.3)),
    "exponential": rates(lambda o: S.ExponentialLR(o, 0.95)),
    "polynomial": rates(lambda o: S.PolynomialLR(o, 50, 2)),
    "cosine": rates(lambda o: S.CosineAnnealingLR(o, 60, 0.01)),
    "cosine-restarts": rates(lambda o: S.CosineAnnealingWarmRestarts(o, 6, 2, 0.01)),
    "cosine-restarts, equal": rates(lambda o: S.CosineAnnealingWarmRestarts(o, 7)),
    "one-cycle": rates(lambda o: S.OneCycleLR(o, BASE, STEPS + 1)),
    "one-cycle, line": rates(lambda o: S.OneCycleLR(o, BASE, STEPS + 1, pct_start=0.4, anneal_strategy="linear", div_factor=10, final_div_factor=100)),
    "warm-up": rates(sequence),
    "measures": measures,
    "plateau": plateau(measures, factor=0.5, patience=2, cooldown=3, min_lr=0.002),
    "plateau, more": plateau([-m for m in measures], mode="max", factor=0.2, patience=0, threshold=0.02, threshold_mode="abs"),
}).replace('], "', '],\n"'))
