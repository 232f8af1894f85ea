"""The CIFAR-10 subsets, as the stored networks want them."""
import gzip

import numpy as np
import torch

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def idx(path):
    raw = gzip.open(path).read()
    dims = np.frombuffer(raw, ">u4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(dims)


def split(root, name):
    """Images [N, 3, 32, 32] and labels [N] of one part."""
    at = f"{root}/images/cifar10/cifar10-{name}"
    x = torch.from_numpy(idx(f"{at}-images-idx4-ubyte.gz").copy()).float() / 255
    return (x - MEAN) / STD, torch.from_numpy(idx(f"{at}-labels-idx1-ubyte.gz").copy()).long()
