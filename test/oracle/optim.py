"""Twenty steps of every optimiser as PyTorch, Keras and the schedule-free authors' package make them, in float64.

Run      KERAS_BACKEND=torch python test/oracle/optim.py > test/oracle/optim.json
Needs    torch 2.9, keras 3.15, schedulefree 1.4

Weights and gradients are multiples of 1/1024, hence exact in float32 and in JSON. `options` are Pare's names.
"""
import json
import sys

import keras
import numpy as np
import schedulefree
import torch

STEPS = 20
LENGTHS = {"a": 15, "b": 4, "c": 1}
rng = np.random.RandomState(4)
exact = lambda n, size: np.round(rng.randn(n) * size * 1024) / 1024
weights = {name: exact(n, 1.0) for name, n in LENGTHS.items()}
gradients = [{name: exact(n, 0.5) for name, n in LENGTHS.items()} for _ in range(STEPS)]
O = torch.optim
K = keras.optimizers


def pytorch(make, clip=None, finish=None):
    params = {name: torch.tensor(w, dtype=torch.float64, requires_grad=True) for name, w in weights.items()}
    optimizer = make(list(params.values()))
    if hasattr(optimizer, "train"):
        optimizer.train()
    for step in gradients:
        for name, p in params.items():
            p.grad = torch.tensor(step[name], dtype=torch.float64)
        if clip is not None:
            clip(params.values())
        optimizer.step()
    if finish:
        finish(optimizer)
    return {name: p.detach().numpy().tolist() for name, p in params.items()}


def in_keras(optimizer):
    keras.backend.set_floatx("float64")
    params = {name: keras.Variable(w, dtype="float64") for name, w in weights.items()}
    for step in gradients:
        optimizer.apply([torch.tensor(step[name]) for name in params], list(params.values()))
    return {name: p.value.detach().numpy().tolist() for name, p in params.items()}


cases = []


def torch_case(title, optimizer, options, make, **rest):
    cases.append(dict(title=f"PyTorch {title}", optimizer=optimizer, options=options, after=pytorch(make, **rest)))


def keras_case(title, optimizer, options, keras_optimizer):
    cases.append(dict(title=f"Keras {title}", optimizer=optimizer, options=options, after=in_keras(keras_optimizer)))


t = torch_case
t("SGD", "sgd", dict(lr=0.01), lambda p: O.SGD(p, lr=0.01))
t("SGD momentum, L2", "sgd", dict(lr=0.01, momentum=0.9, decay=0.05), lambda p: O.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.05))
t("SGD dampening", "sgd", dict(lr=0.01, momentum=0.9, dampening=0.3), lambda p: O.SGD(p, lr=0.01, momentum=0.9, dampening=0.3))
t("SGD Nesterov", "sgd", dict(lr=0.01, momentum=0.9, nesterov=True), lambda p: O.SGD(p, lr=0.01, momentum=0.9, nesterov=True))
t("Adam", "adam", {}, lambda p: O.Adam(p))
t("Adam, L2", "adam", dict(lr=0.01, b1=0.8, b2=0.99, eps=1e-3, decay=0.1), lambda p: O.Adam(p, lr=0.01, betas=(0.8, 0.99), eps=1e-3, weight_decay=0.1))
t("AMSGrad", "adam", dict(lr=0.01, b2=0.9, amsgrad=True), lambda p: O.Adam(p, lr=0.01, betas=(0.9, 0.9), amsgrad=True))
t("Adam, clipped by norm", "adam", dict(lr=0.01), lambda p: O.Adam(p, lr=0.01), clip=lambda p: torch.nn.utils.clip_grad_norm_(p, 1.0))
cases[-1]["clipByNorm"] = 1.0
t("SGD, clipped by value", "sgd", dict(lr=0.1), lambda p: O.SGD(p, lr=0.1), clip=lambda p: torch.nn.utils.clip_grad_value_(p, 0.25))
cases[-1]["clipByValue"] = 0.25
t("AdamW", "adamw", {}, lambda p: O.AdamW(p))
t("AdamW, AMSGrad", "adamw", dict(lr=0.01, decay=0.1, b2=0.9, amsgrad=True), lambda p: O.AdamW(p, lr=0.01, weight_decay=0.1, betas=(0.9, 0.9), amsgrad=True))
t("RMSprop", "rmsprop", {}, lambda p: O.RMSprop(p))
t("RMSprop centred", "rmsprop", dict(centered=True), lambda p: O.RMSprop(p, centered=True))
t("RMSprop centred, momentum, L2", "rmsprop", dict(lr=0.001, centered=True, momentum=0.9, decay=0.1), lambda p: O.RMSprop(p, lr=0.001, centered=True, momentum=0.9, weight_decay=0.1))
t("Adagrad", "adagrad", {}, lambda p: O.Adagrad(p))
t("Adagrad, all options", "adagrad", dict(lr=0.05, rateDecay=0.1, initial=0.2, eps=1e-4, decay=0.1), lambda p: O.Adagrad(p, lr=0.05, lr_decay=0.1, initial_accumulator_value=0.2, eps=1e-4, weight_decay=0.1))
t("Adadelta", "adadelta", {}, lambda p: O.Adadelta(p))
t("Adamax", "adamax", {}, lambda p: O.Adamax(p))
t("NAdam", "nadam", {}, lambda p: O.NAdam(p))
t("NAdam, decoupled decay", "nadam", dict(decay=0.1, decoupled=True), lambda p: O.NAdam(p, weight_decay=0.1, decoupled_weight_decay=True))
t("RAdam", "radam", dict(lr=0.01), lambda p: O.RAdam(p, lr=0.01))
t("RAdam, decoupled decay", "radam", dict(lr=0.01, b2=0.9, decay=0.1, decoupled=True), lambda p: O.RAdam(p, lr=0.01, betas=(0.9, 0.9), weight_decay=0.1, decoupled_weight_decay=True))
free = schedulefree.AdamWScheduleFree
t("schedule-free, weights in training", "schedule-free", dict(lr=0.01, decay=0.1), lambda p: free(p, lr=0.01, weight_decay=0.1, foreach=False))
t("schedule-free, weights to evaluate", "schedule-free", dict(lr=0.01, decay=0.1), lambda p: free(p, lr=0.01, weight_decay=0.1, foreach=False), finish=lambda o: o.eval())
cases[-1]["evaluate"] = True

k = keras_case
k("SGD Nesterov", "sgd", dict(momentum=0.9, nesterov=True, velocity="steps"), K.SGD(0.01, momentum=0.9, nesterov=True))
k("Adam", "adam", dict(eps=1e-7, epsOn="raw"), K.Adam())
k("Adam, large eps", "adam", dict(lr=0.01, eps=1e-2, epsOn="raw", amsgrad=True), K.Adam(0.01, epsilon=1e-2, amsgrad=True))
k("RMSprop", "rmsprop", dict(lr=0.001, keep=0.9, eps=1e-7, epsOn="square"), K.RMSprop())
k("RMSprop centred, momentum", "rmsprop", dict(lr=0.001, keep=0.9, eps=1e-7, epsOn="square", centered=True, momentum=0.9, velocity="steps"), K.RMSprop(centered=True, momentum=0.9))
k("Adagrad", "adagrad", dict(lr=0.001, initial=0.1, eps=1e-7, epsOn="square"), K.Adagrad())
k("Adadelta", "adadelta", dict(lr=0.001, keep=0.95, eps=1e-7), K.Adadelta())
k("Adamax", "adamax", dict(lr=0.001, eps=1e-7, epsOn="divisor"), K.Adamax())
k("Nadam", "nadam", dict(lr=0.001, eps=1e-7, momentumDecay=1), K.Nadam())
k("Lion", "lion", dict(lr=0.001), K.Lion())
k("Lamb", "lamb", dict(lr=0.001, eps=1e-7), K.Lamb())

as_lists = lambda record: {name: values.tolist() for name, values in record.items()}
round_off = lambda record: {name: [float(f"{x:.12g}") for x in values] for name, values in record.items()}
for case in cases:
    case["after"] = round_off(case["after"])
line = lambda x: json.dumps(x, separators=(",", ":"))
print('{"made with":%s,' % line(f"torch {torch.__version__.split('+')[0]}, keras {keras.__version__}, schedulefree"))
print('"weights":%s,' % line(as_lists(weights)))
print('"gradients":[\n%s],' % ",\n".join(line(as_lists(g)) for g in gradients))
print('"cases":[\n%s]}' % ",\n".join(line(c) for c in cases))
