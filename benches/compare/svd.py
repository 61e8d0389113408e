"""Seconds of singular value decompositions: LAPACK, torch and scikit-learn beside ours, on the same matrices.

    cargo build --release -p rankine-bench
    pip install numpy scipy torch scikit-learn
    python svd.py [--shapes 576x1536 1024x1024 2048x2048 4096x1024] [--rounds 5] [--threads 1] [--bench PATH]

Matrices are in f32 with singular values that fall like 1 / (1 + i / 8). Exact: all triples, by `rankine-bench svd` (f64 inside,
f32 outside), by LAPACK's gesdd in f64 (as accurate) and in f32, and by torch.linalg.svd in f32. Randomised: the first 16, with
10 directions above the rank and 4 rounds of power iteration, by ours, torch.svd_lowrank and sklearn's randomized_svd; its error is
‖A − A_r‖ / ‖A‖. Programs run in turn, each round's ours in a process of its own, whose figure is the median of five; times
of theirs are of the call with the matrix in memory, after one that is not counted. Ratios are medians over the rounds.

The last line is JSON.
"""

import argparse
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
import sklearn
import torch
from sklearn.utils.extmath import randomized_svd

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
    """Figures of `rankine-bench svd` by name."""
    found = processes.bench(options.bench, "svd", path)
    return {
        kind: (found[name], found[f"{name}: error"])
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
    return randomized_svd(matrix, RANK, n_oversamples=OVERSAMPLING, n_iter=POWER_ITERATIONS, random_state=0)


THEIRS = {
    "exact": {
        "LAPACK gesdd, f64": lapack(np.float64),
        "LAPACK gesdd, f32": lapack(np.float32),
        "torch.linalg.svd, f32": torch_exact,
    },
    "randomised": {"torch.svd_lowrank": torch_lowrank, "sklearn randomized_svd": sklearn_randomized},
}


def timed(program, matrix):
    began = time.perf_counter()
    found = program(matrix)
    return time.perf_counter() - began, error(matrix, *found)


def main():
    results = []
    print("| shape | kind | program | seconds | error | ours / theirs |\n| --- | --- | --- | ---: | ---: | ---: |")
    for shape in options.shapes:
        matrix = falling(*map(int, shape.split("x")))
        for programs in THEIRS.values():
            for program in programs.values():
                program(matrix)
        rounds = []
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/matrix.npy", matrix)
            for _ in range(options.rounds):
                mine = ours(f"{folder}/matrix.npy")
                rounds.append({(kind, "rankine"): figures for kind, figures in mine.items()})
                for kind, programs in THEIRS.items():
                    for name, program in programs.items():
                        rounds[-1][kind, name] = timed(program, matrix)
        for kind, name in rounds[0]:
            seconds = statistics.median(found[kind, name][0] for found in rounds)
            ratio = statistics.median(found[kind, "rankine"][0] / found[kind, name][0] for found in rounds)
            wrong = rounds[0][kind, name][1]
            results.append({"shape": shape, "kind": kind, "program": name, "seconds": seconds, "error": wrong, "ratio": ratio})
            shown = "" if name == "rankine" else f"{ratio:.2f}"
            print(f"| {shape} | {kind} | {name} | {seconds:.4f} | {wrong:.6f} | {shown} |", flush=True)
    versions = {"numpy": np.__version__, "scipy": scipy.__version__, "torch": torch.__version__, "sklearn": sklearn.__version__}
    print(json.dumps({"threads": options.threads, **versions, "results": results}))


if __name__ == "__main__":
    main()
