"""Plain PyTorch: one epoch over the rows of `workload.EPOCH`, after a warm-up.

The fastest loader found: the rows are put in order once an epoch, batches are views of them.
"""
import json
import time

import torch
from torch import nn

import workload

size = workload.EPOCH


def stack(widths):
    return nn.Sequential(*[m for a, b in zip(widths, widths[1:]) for m in (nn.Linear(a, b), nn.ReLU())])


shared = stack([size["features"], *size["shared"]])
heads = nn.ModuleList()
for units in size["units"]:
    head = stack([size["shared"][-1], *size["head"]])
    head.append(nn.Linear(size["head"][-1], units))
    heads.append(head)
optimizer = torch.optim.Adam([*shared.parameters(), *heads.parameters()], fused=True)
data = [torch.from_numpy(a) for a in workload.draw(size)]


def epoch(rows):
    order = torch.randperm(rows)
    x, y1, y2 = (a[order] for a in data)
    losses = torch.zeros(2)
    for start in range(0, rows, size["batch"]):
        batch = slice(start, start + size["batch"])
        h = shared(x[batch])
        first = ((heads[0](h) - y1[batch]) ** 2).mean()
        second = nn.functional.binary_cross_entropy_with_logits(heads[1](h), y2[batch])
        optimizer.zero_grad()
        (0.5 * first + 0.5 * second).backward()
        optimizer.step()
        losses += torch.stack([first.detach(), second.detach()])
    return losses


epoch(200 * size["batch"])
begun = time.perf_counter()
epoch(len(data[0]))
seconds = time.perf_counter() - begun
print(json.dumps({"peer": "epoch_torch", "seconds": seconds}))
