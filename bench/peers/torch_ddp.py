"""PyTorch's side of bench/parallel: one rank of DistributedDataParallel (gloo); one JSON line in, one out."""
import json
import os
import sys
import time

rank, size, threads, name, batch = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
sys.argv = [sys.argv[0], str(threads)]

import torch
import torch.distributed as dist
from torch import nn

torch.set_num_threads(threads)
# The models of torch_training.py, without its loop.
source = open(os.path.join(os.path.dirname(__file__), "torch_training.py")).read().split("print(json.dumps")[0]
exec(compile(source, "torch_training.py", "exec"))

INPUT = {"W1": [784], "W2": [32], "W3": [1, 28, 28], "W4": [3, 224, 224], "W5": [3, 32, 32]}
CLASSES = {"W4": 1000}
os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
torch.manual_seed(0)
model = MODELS[name]().train()
if size > 1:
    dist.init_process_group("gloo", rank=rank, world_size=size)
    model = nn.parallel.DistributedDataParallel(model)
own = batch // size
x = torch.rand([own, *INPUT[name]])
y = torch.randint(0, CLASSES.get(name, 10), (own,))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
print(json.dumps({"ready": True, "version": torch.__version__}), flush=True)
for line in sys.stdin:
    ask = json.loads(line)
    begin = time.perf_counter()
    for _ in range(ask["count"]):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    float(loss.detach())
    print(json.dumps({"ms": (time.perf_counter() - begin) * 1000 / ask["count"]}), flush=True)
