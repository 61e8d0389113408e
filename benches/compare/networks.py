"""Milliseconds per training step of an MLP and of a LeNet with torch, to hold `cargo xtask bench networks` against.

    python networks.py [--threads 2] [--steps 200] [--adamw default|foreach|fused|for] [--network mlp|lenet|both]

A step is forward, cross-entropy, backward and AdamW on one batch of 128 random images of 28 × 28, f32. The MLP is
784-512-512-10; the LeNet is conv 5×5 1→32, relu, pool 2, conv 5×5 32→64, relu, pool 2, linear 3136→512, relu, linear 10.
`default` is torch's own choice of AdamW (on a CPU: one tensor after the other, `for`). Printed: medians over the steps
after the warm-up, and one line of JSON with all of it.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn

BATCH = 128


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=0, help="steps that are measured; 0: 300 of the MLP, 60 of the LeNet")
    parser.add_argument("--warmup", type=int, default=10, help="steps before them")
    parser.add_argument("--adamw", choices=["default", "for", "foreach", "fused"], default="default")
    parser.add_argument("--network", choices=["mlp", "lenet", "both"], default="both")
    return parser.parse_args()


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 10),
    )


def optimizer(model, kind):
    choice = {"default": {}, "for": {"foreach": False, "fused": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
    return torch.optim.AdamW(model.parameters(), lr=1e-3, **choice[kind])


def measure(model, options, steps):
    """Medians in milliseconds: a step, its forward, backward and update, and processor time over all threads."""
    images, targets = torch.randn(BATCH, 1, 28, 28), torch.randint(0, 10, (BATCH,))
    loss_of, adamw = nn.CrossEntropyLoss(), optimizer(model, options.adamw)
    rows = []
    for step in range(options.warmup + steps):
        busy, marks = time.process_time(), [time.perf_counter()]
        loss = loss_of(model(images), targets)
        marks.append(time.perf_counter())
        loss.backward()
        marks.append(time.perf_counter())
        adamw.step()
        adamw.zero_grad(set_to_none=True)
        marks.append(time.perf_counter())
        if step >= options.warmup:
            phases = [after - before for before, after in zip(marks, marks[1:])]
            rows.append([marks[-1] - marks[0], *phases, time.process_time() - busy])
    names = ["step", "forward", "backward", "update", "processor"]
    figures = {name: 1e3 * statistics.median(column) for name, column in zip(names, zip(*rows))}
    return {**figures, "fastest": 1e3 * min(row[0] for row in rows)}


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    result = {"torch": torch.__version__, "threads": torch.get_num_threads(), "adamw": options.adamw, "batch": BATCH}
    for name, build, steps in [("mlp", mlp, 300), ("lenet", lenet, 60)]:
        if options.network in (name, "both"):
            figures = measure(build(), options, options.steps or steps)
            result[f"{name}_ms"] = {key: round(value, 3) for key, value in figures.items()}
            print(
                f"{name}: {figures['step']:.2f} ms/step (forward {figures['forward']:.2f}, backward "
                f"{figures['backward']:.2f}, AdamW {figures['update']:.2f}; fastest {figures['fastest']:.2f}; "
                f"processor {figures['processor']:.2f})"
            )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
