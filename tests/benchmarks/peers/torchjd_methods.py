"""TorchJD's gradient methods on the peers' workload, as its multi-task example has them; `sum` is plain PyTorch.

The article's size is the article's network: no bias, weights uniform from 0 to 1, ReLU on the outputs, l2 loss.
Of the ways to call it, the fastest found on a busy machine of 2 cores: one thread; the Jacobian's rows one at a time,
but all at once for 8 tasks at the article's size (`--threads 0 --chunk 0` for the libraries' own defaults); the
parameters named; batches as views of rows put in order once; fused Adam.
"""
import argparse
import json
import time

start = time.perf_counter()
import torch
from torch import nn
from torchjd.aggregation import IMTLG, MGDA, CAGrad, NashMTL, PCGrad, UPGrad
from torchjd.autojac import jac_to_grad, mtl_backward

import workload

imported = time.perf_counter()
AGGREGATORS = {
    "pcgrad": lambda tasks: PCGrad(),
    "cagrad": lambda tasks: CAGrad(c=0.5),
    "mgda": lambda tasks: MGDA(),
    "upgrad": lambda tasks: UPGrad(),
    "nash_mtl": lambda tasks: NashMTL(n_tasks=tasks),
    "imtl_g": lambda tasks: IMTLG(),
    "sum": lambda tasks: None,
}
parser = argparse.ArgumentParser()
parser.add_argument("--size", choices=["article", "middle"], default="article")
parser.add_argument("--tasks", type=int, choices=[2, 4, 8], default=2)
parser.add_argument("--method", choices=AGGREGATORS, default="upgrad")
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--warm-up", type=int, default=100)
parser.add_argument("--threads", type=int, default=1, help="PyTorch's; 0 leaves its own default")
parser.add_argument("--chunk", type=int, help="rows of the Jacobian at once; 0: TorchJD's default, all")
args = parser.parse_args()
if args.threads:
    torch.set_num_threads(args.threads)
article = args.size == "article"
size = workload.SMALL if article else workload.MIDDLE
chunk = (0 if article and args.tasks == 8 else 1) if args.chunk is None else args.chunk


def stack(widths):
    return nn.Sequential(
        *[m for a, b in zip(widths, widths[1:]) for m in (nn.Linear(a, b, bias=not article), nn.ReLU())]
    )


torch.manual_seed(0)
shared = stack([size["features"], *size["shared"]])
heads = nn.ModuleList()
for task in range(args.tasks):
    units = size["units"][task % 2]
    if article:
        heads.append(stack([size["shared"][-1], units]))
    else:
        head = stack([size["shared"][-1], *size["head"]])
        heads.append(head.append(nn.Linear(size["head"][-1], units)))
parameters = [*shared.parameters(), *heads.parameters()]
if article:
    for parameter in parameters:
        nn.init.uniform_(parameter)
optimizer = torch.optim.Adam(parameters, fused=True)
aggregator = AGGREGATORS[args.method](args.tasks)
data = [torch.from_numpy(a) for a in workload.draw(size, iterations=args.steps, tasks=args.tasks)]


def squared(output, label):
    return 0.5 * ((output - label) ** 2).sum()


binary = nn.functional.binary_cross_entropy_with_logits
loss_functions = [binary if task % 2 and not article else squared for task in range(args.tasks)]
shared_parameters = list(shared.parameters())
head_parameters = [list(head.parameters()) for head in heads]


def train(steps):
    order = torch.randperm(len(data[0]))
    x, *labels = (a[order] for a in data)
    logged = []
    for step in range(steps):
        batch = slice(step * size["batch"], (step + 1) * size["batch"])
        features = shared(x[batch])
        losses = [loss(head(features), y[batch]) for loss, head, y in zip(loss_functions, heads, labels)]
        if aggregator is None:
            sum(losses).backward()
        else:
            mtl_backward(losses, features=features, tasks_params=head_parameters, shared_params=shared_parameters,
                         parallel_chunk_size=chunk or None)
            jac_to_grad(shared_parameters, aggregator)
        optimizer.step()
        optimizer.zero_grad()
        logged.append([loss.item() for loss in losses])
    return logged


begun = time.perf_counter()
train(min(args.warm_up, args.steps))
first_call = time.perf_counter() - begun
begun, begun_cpu = time.perf_counter(), time.process_time()
logged = train(args.steps)
seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - begun_cpu
print(json.dumps({"peer": f"torchjd_methods {args.size} tasks={args.tasks} {args.method}",
                  "us_per_iteration": seconds / args.steps * 1e6,
                  "cpu_us_per_iteration": cpu_seconds / args.steps * 1e6,
                  "import_seconds": imported - start, "first_call_seconds": first_call, "last_losses": logged[-1]}))
