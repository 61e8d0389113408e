"""Seconds of singular value decompositions: LAPACK, torch and scikit-learn beside ours, on the same matrices.

    cargo build --release -p rankine-bench
    pip install numpy scipy torch scikit-learn
    python svd.py [--shapes 576x1536 1024x1024 2048x2048 4096x1024] [--rounds 5] [--threads 1] [--bench PATH]

Matrices are in f32 with singular values that fall like 1 / (1 + i / 8). Exact: all triples, by `rankine-bench svd` (f64 inside,
f32 outside), by LAPACK's gesdd in f64 (as accurate) and in f32, and by torch.linalg.svd in f32. Randomised: the first 16, with
10 directions above the rank and 4 rounds of power iteration, by ours, torch.svd_lowrank and sklearn's randomized_svd; its error is
‖A − A_r‖ / ‖A‖, by which all are held to the same answer. Programs run in turn after a run that is not counted, each round in the
other order, ours in a process of its own, whose figure is the median of five; times of theirs are of the call with the matrix in
memory. Ratios are medians over the rounds. Memory is the peak of resident memory in MB: of our process, which makes both
decompositions, and of a copy of this one, of which `base` MB are there before. What is not installed is left out.

The last line is JSON.
"""

import argparse
import functools
import importlib.metadata
import json
import statistics
import tempfile
import time

import processes

RANK, OVERSAMPLING, POWER_ITERATIONS = 16, 10, 4


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=["576x1536", "1024x1024", "2048x2048", "4096x1024"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bench", default=processes.BENCH)
    return parser.parse_args()


options = arguments()
processes.limit(options.threads)

import numpy as np
import scipy.linalg

torch, extmath = processes.rival("torch"), processes.rival("sklearn.utils.extmath")
if torch:
    torch.set_num_threads(options.threads)


def falling(rows, columns):
    draw, width = np.random.default_rng(0), min(rows, columns)
    left, right = (np.linalg.qr(draw.standard_normal((side, width)))[0] for side in (rows, columns))
    return ((left / (1 + np.arange(width) / 8)) @ right.T).astype(np.float32)


def error(matrix, left, values, right):
    """Of the first triples; left: [rows, k], right: [k, columns]."""
    best = (left[:, :RANK] * values[:RANK]).astype(float) @ right[:RANK].astype(float)
    return float(np.linalg.norm(matrix - best) / np.linalg.norm(matrix))


def ours(path):
    """Seconds, error and memory of `rankine-bench svd` by kind."""
    found = processes.bench(options.bench, "svd", path)
    return {
        kind: (found[name], found[f"{name}: error"], found["peak"])
        for kind, name in [("exact", "exact"), ("randomised", "randomised, 4 power iterations")]
    }


def lapack(dtype):
    return lambda matrix: scipy.linalg.svd(
        matrix.astype(dtype), full_matrices=False, lapack_driver="gesdd", check_finite=False
    )


def torch_exact(matrix):
    return [part.numpy() for part in torch.linalg.svd(torch.from_numpy(matrix), full_matrices=False)]


def torch_lowrank(matrix):
    left, values, right = torch.svd_lowrank(torch.from_numpy(matrix), q=RANK + OVERSAMPLING, niter=POWER_ITERATIONS)
    return left.numpy(), values.numpy(), right.numpy().T


def sklearn_randomized(matrix):
    return extmath.randomized_svd(matrix, RANK, n_oversamples=OVERSAMPLING, n_iter=POWER_ITERATIONS, random_state=0)


THEIRS = {
    "exact": {
        "LAPACK gesdd, f64": lapack(np.float64),
        "LAPACK gesdd, f32": lapack(np.float32),
    },
    "randomised": {},
}
if torch:
    THEIRS["exact"]["torch.linalg.svd, f32"] = torch_exact
    THEIRS["randomised"]["torch.svd_lowrank"] = torch_lowrank
if extmath:
    THEIRS["randomised"]["sklearn randomized_svd"] = sklearn_randomized


def timed(program, matrix):
    began = time.perf_counter()
    found = program(matrix)
    return time.perf_counter() - began, error(matrix, *found)


def main():
    results = []
    base = processes.peak(lambda: None)
    print("| shape | kind | program | seconds | error | MB | ours / theirs |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    for shape in options.shapes:
        matrix = falling(*map(int, shape.split("x")))
        programs = {(kind, name): program for kind, found in THEIRS.items() for name, program in found.items()}
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/matrix.npy", matrix)
            # Ours makes both decompositions in one process.
            calls = {"rankine": lambda: ours(f"{folder}/matrix.npy")}
            calls |= {key: functools.partial(timed, program, matrix) for key, program in programs.items()}
            found = processes.in_turn(calls, options.rounds)
        mine = found.pop("rankine")
        runs = {(kind, "rankine"): [figures[kind] for figures in mine] for kind in THEIRS}
        for (kind, name), figures in {**runs, **found}.items():
            seconds = statistics.median(run[0] for run in figures)
            ratio = statistics.median(ours[0] / run[0] for ours, run in zip(runs[kind, "rankine"], figures))
            wrong = figures[0][1]
            peak = figures[0][2] if name == "rankine" else processes.peak(lambda: programs[kind, name](matrix))
            line = {"shape": shape, "kind": kind, "program": name, "seconds": seconds, "error": wrong}
            results.append({**line, "peak": peak, "ratio": ratio})
            shown, memory = "" if name == "rankine" else f"{ratio:.2f}", "" if peak is None else f"{peak:.0f}"
            print(f"| {shape} | {kind} | {name} | {seconds:.4f} | {wrong:.6f} | {memory} | {shown} |", flush=True)
    packages = {"numpy": np, "scipy": scipy, "torch": torch, "scikit-learn": extmath}
    versions = {name: importlib.metadata.version(name) for name, module in packages.items() if module}
    print(json.dumps({"threads": options.threads, "base": base, **versions, "results": results}))


if __name__ == "__main__":
    main()
