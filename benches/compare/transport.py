"""Seconds that entropic transport takes with POT, with RegOT and with `rankine solve transport`, to the same violation.

    cargo build --release -p rankine
    pip install POT regot
    python transport.py [--sizes 200 500 1000 2000] [--etas 100 300 1200] [--rounds 5] [--threads 1] [--images FOLDER]

Problems: costs drawn from [0, 1) with equal masses, and with FOLDER (the four IDX files of Fashion-MNIST) the first two
test images as densities of 784 pixels with squared Euclidean and L1 costs of largest 1. Regularisation is 1 / eta.

Every program starts from nothing and stops by its own measure of the marginals at --tolerance (1e-9). What counts is the L1
violation ‖P·1 − a‖₁ + ‖Pᵀ·1 − b‖₁ of the plan it returns, computed here; where that is above, a program that measures
otherwise is run again at a tenth of its tolerance, up to three times, which warms it up. Times are medians over the rounds after
that, taken in turn, each round in the other order: of the call with arrays in memory for POT and RegOT, of the `seconds` of the
report for ours, which are those of the solver; the wall clock of our whole process, which reads the cost and writes the plan, is
in the JSON. Memory is the peak of resident memory in MB: of our process, and of a copy of this one that makes the call, of which
`base` MB are there before it. Lines that did not reach the tolerance in --limit seconds or --sweeps sweeps are marked with their
violation and are no time to compare with. What is not installed is left out.

The last line is JSON.
"""

import argparse
import functools
import gzip
import importlib.metadata
import json
import pathlib
import statistics
import tempfile
import time
import warnings

import processes


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 500, 1000, 2000])
    parser.add_argument("--etas", type=float, nargs="+", default=[100, 300, 1200])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tolerance", type=float, default=1e-9)
    parser.add_argument("--sweeps", type=int, default=20_000, help="most sweeps or iterations of theirs")
    parser.add_argument("--limit", type=float, default=60, help="seconds after which a program is not asked again")
    parser.add_argument("--images", help="folder of Fashion-MNIST")
    parser.add_argument("--only", nargs="+", help="names of programs")
    parser.add_argument("--rankine", default=processes.RANKINE)
    return parser.parse_args()


options = arguments()
processes.limit(options.threads)

import numpy as np

ot, regot = processes.rival("ot"), processes.rival("regot")


def random(size):
    masses = np.full(size, 1 / size)
    return f"random {size}", np.random.default_rng(0).random((size, size)), masses, masses


def images(folder, squared):
    """Two images with a thousandth of the brightest pixel everywhere."""
    path = next(pathlib.Path(folder).glob("t10k-images*"))
    raw = (gzip.open if path.suffix == ".gz" else open)(path, "rb").read()
    pixels = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784)[:2].astype(float)
    pixels += 1e-3 * pixels.max(1, keepdims=True)
    source, target = pixels / pixels.sum(1, keepdims=True)
    places = np.stack(np.divmod(np.arange(784), 28), 1)
    apart = np.abs(places[:, None] - places[None])
    cost = (apart**2).sum(2) if squared else apart.sum(2)
    return f"images {'squared' if squared else 'L1'}", cost / cost.max(), source, target


def violation(plan, source, target):
    return float(np.abs(plan.sum(1) - source).sum() + np.abs(plan.sum(0) - target).sum())


def pot(method, problem, eta, tolerance):
    _, cost, source, target = problem
    began = time.perf_counter()
    plan = ot.sinkhorn(
        source, target, cost, 1 / eta, method=method, stopThr=tolerance, numItermax=options.sweeps, warn=False
    )
    return time.perf_counter() - began, violation(plan, source, target), {}


def reg(name, problem, eta, tolerance):
    _, cost, source, target = problem
    cost = np.asfortranarray(cost)
    began = time.perf_counter()
    found = getattr(regot, name)(cost, source, target, 1 / eta, tol=tolerance, max_iter=options.sweeps)
    return time.perf_counter() - began, violation(found.plan, source, target), {"steps": int(found.niter)}


def ours(solver, problem, eta, tolerance):
    _, cost, source, target = problem
    with tempfile.TemporaryDirectory() as folder:
        files = {name: f"{folder}/{name}.npy" for name in ["cost", "source", "target"]}
        for name, array in zip(files, [np.asfortranarray(cost), source, target]):
            np.save(files[name], array)
        words = [word for name, path in files.items() for word in (f"--{name}", path)]
        words += ["--regularization", repr(1 / eta), "--solver", solver, "--tolerance", repr(tolerance)]
        command = [options.rankine, "solve", "transport", *words, "--output", f"{folder}/plan.npz", "--json"]
        wall, peak, output = processes.measured(command)
        report = json.loads(output)
        plan = np.load(f"{folder}/plan.npz")["plan"]
    return report["seconds"], violation(plan, source, target), {"wall": wall, "steps": report["steps"], "peak": peak}


PROGRAMS = {
    "rankine sinkhorn-newton-sparse": functools.partial(ours, "sinkhorn-newton-sparse"),
    "rankine sinkhorn-stabilized": functools.partial(ours, "sinkhorn-stabilized"),
    "rankine sinkhorn": functools.partial(ours, "sinkhorn"),
}
if regot:
    PROGRAMS["regot sinkhorn_ssns"] = functools.partial(reg, "sinkhorn_ssns")
    PROGRAMS["regot sinkhorn_splr"] = functools.partial(reg, "sinkhorn_splr")
if ot:
    PROGRAMS["POT sinkhorn_stabilized"] = functools.partial(pot, "sinkhorn_stabilized")
    PROGRAMS["POT sinkhorn_log"] = functools.partial(pot, "sinkhorn_log")


def reached(program, problem, eta):
    """The first tolerance of its own at which a program is within the one that is asked for, and its first run there."""
    tolerance = options.tolerance
    for _ in range(4):
        run = program(problem, eta, tolerance)
        if run[1] <= 1.01 * options.tolerance or options.limit < run[0]:
            break
        tolerance /= 10
    return tolerance, run


def main():
    warnings.filterwarnings("ignore")
    problems = [random(size) for size in options.sizes]
    if options.images:
        problems += [images(options.images, squared) for squared in (True, False)]
    programs = {name: run for name, run in PROGRAMS.items() if not options.only or name in options.only}
    results = []
    base = processes.peak(lambda: None)
    print("| problem | eta | program | seconds | violation | steps | MB |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: |")
    for problem in problems:
        for eta in options.etas:
            firsts = {name: reached(program, problem, eta) for name, program in programs.items()}
            # What fails or takes long is not asked again.
            asked = [name for name, (_, run) in firsts.items() if run[1] <= 1.01 * options.tolerance]
            asked = [name for name in asked if firsts[name][1][0] < options.limit]
            runs = {name: [] if name in asked else [run] for name, (_, run) in firsts.items()}
            for round_ in range(options.rounds):
                for name in asked[:: -1 if round_ % 2 else 1]:
                    runs[name].append(programs[name](problem, eta, firsts[name][0]))
            for name, found in runs.items():
                peak = found[0][2].get("peak")
                if peak is None and name in asked:
                    peak = processes.peak(lambda: programs[name](problem, eta, firsts[name][0]))
                seconds = statistics.median(run[0] for run in found)
                error, extra = found[0][1], found[0][2]
                there = error <= 1.01 * options.tolerance
                line = {"problem": problem[0], "eta": eta, "program": name, "seconds": seconds, "violation": error}
                results.append({**line, "reached": there, "rounds": len(found), **extra, "peak": peak})
                mark, memory = "" if there else " (not there)", "" if peak is None else f"{peak:.0f}"
                steps = extra.get("steps", "")
                print(f"| {problem[0]} | {eta:g} | {name} | {seconds:.4f}{mark} | {error:.1e} | {steps} | {memory} |", flush=True)
            done = [line for line in results[-len(runs) :] if line["reached"]]
            sides = [
                min((line["seconds"] for line in done if line["program"].startswith("rankine") == mine), default=None)
                for mine in (True, False)
            ]
            if None not in sides:
                print(f"| {problem[0]} | {eta:g} | **ours / best of theirs** | **{sides[0] / sides[1]:.2f}** | | | |", flush=True)
    versions = {"POT": ot and ot.__version__, "regot": regot and importlib.metadata.version("regot"), "numpy": np.__version__}
    settings = {"threads": options.threads, "tolerance": options.tolerance, "sweeps": options.sweeps, "base": base}
    print(json.dumps({**settings, **versions, "results": results}))


if __name__ == "__main__":
    main()
