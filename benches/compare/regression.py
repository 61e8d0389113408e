"""Seconds of least squares: LAPACK's drivers beside `rankine solve regress`, on the same data.

    cargo build --release -p rankine
    pip install numpy scipy
    python regression.py [--sizes 20000x200 200000x500] [--solvers qr srht …] [--rounds 5] [--threads 1] [--rankine PATH]

Designs are normal numbers with columns scaled from 1 down to 1 / --condition, targets a combination of them with normal noise.
LAPACK: scipy.linalg.lstsq with gelsd (an SVD, the default), gelsy (QR with pivots), numpy.linalg.lstsq (gelsd), and numpy's
normal equations, which halve the digits. Times of theirs are of the call with arrays in memory, in the column-major order that
LAPACK wants; of ours the `seconds` of the report, those of the solver, with the wall clock of the whole process, which reads
the files, beside it. What is lost is ‖A·x − b‖ over the smallest there is, less 1, the same measure for all: direct solvers and
`sketch-and-precondition` go to rounding, sketches lose what they were asked to and are compared with that in mind. Programs run in
turn after a run that is not counted, each round in the other order; times are medians and ratios medians of ratios. Memory is the
peak of resident memory in MB: of our process, and of a copy of this one, of which `base` MB are there before.

The last line is JSON.
"""

import argparse
import functools
import json
import statistics
import tempfile
import time

import processes

SOLVERS = ["qr", "normal-equations", "sketch-and-precondition", "srht", "count-sketch"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["20000x200", "200000x500"])
    parser.add_argument("--solvers", nargs="+", default=SOLVERS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--condition", type=float, default=100)
    parser.add_argument("--rankine", default=processes.RANKINE)
    return parser.parse_args()


options = arguments()
processes.limit(options.threads)

import numpy as np
import scipy
import scipy.linalg


def problem(rows, columns):
    draw = np.random.default_rng(0)
    design = draw.standard_normal((rows, columns)) * np.geomspace(1, 1 / options.condition, columns)
    target = design @ draw.standard_normal(columns) + draw.standard_normal(rows)
    return np.asfortranarray(design), target


def ours(solver, folder):
    """Coefficients, seconds of the solver, of the process, and its memory."""
    files = ["--design", f"{folder}/design.npy", "--target", f"{folder}/target.npy", "--output", f"{folder}/x.npy"]
    # A sketch does not converge.
    wall, peak, output = processes.measured([options.rankine, "solve", "regress", *files, "--solver", solver, "--json"])
    return np.load(f"{folder}/x.npy"), json.loads(output)["seconds"], wall, peak


def theirs(solve, design, target):
    began = time.perf_counter()
    found = solve(design, target)
    seconds = time.perf_counter() - began
    return found, seconds, None, None


def normal(design, target):
    return scipy.linalg.solve(design.T @ design, design.T @ target, assume_a="pos")


def driver(name):
    return lambda design, target: scipy.linalg.lstsq(design, target, lapack_driver=name, check_finite=False)[0]


THEIRS = {
    "scipy lstsq, gelsd": driver("gelsd"),
    "scipy lstsq, gelsy": driver("gelsy"),
    "numpy lstsq": lambda design, target: np.linalg.lstsq(design, target, rcond=None)[0],
    "numpy normal equations": normal,
}


def main():
    results = []
    base = processes.peak(lambda: None)
    print("| size | program | seconds | process | lost | MB | over gelsd | over gelsy |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for size in options.sizes:
        design, target = problem(*map(int, size.split("x")))
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/design.npy", design)
            np.save(f"{folder}/target.npy", target)
            programs = {f"rankine {name}": functools.partial(ours, name, folder) for name in options.solvers}
            programs |= {name: functools.partial(theirs, solve, design, target) for name, solve in THEIRS.items()}
            runs = processes.in_turn(programs, options.rounds)
            peaks = {name: runs[name][0][3] or processes.peak(run) for name, run in programs.items()}
        rounds = [dict(zip(runs, of_round)) for of_round in zip(*runs.values())]
        distances = {name: np.linalg.norm(design @ found[0] - target) for name, found in rounds[0].items()}
        least = min(distances.values())
        for name in programs:
            seconds = statistics.median(found[name][1] for found in rounds)
            walls = [found[name][2] for found in rounds if found[name][2] is not None]
            wall = statistics.median(walls) if walls else None
            over = {
                base: statistics.median(found[name][1] / found[f"scipy lstsq, {base}"][1] for found in rounds)
                for base in ("gelsd", "gelsy")
            }
            lost = float(distances[name] / least - 1)
            line = {"size": size, "program": name, "seconds": seconds, "wall": wall, "lost": lost}
            results.append({**line, "peak": peaks[name], "over": over})
            shown, memory = f"{wall:.4f}" if walls else "", "" if peaks[name] is None else f"{peaks[name]:.0f}"
            cells = [f"{seconds:.4f}", shown, f"{lost:.1e}", memory, f"{over['gelsd']:.2f}", f"{over['gelsy']:.2f}"]
            print(f"| {size} | {name} | {' | '.join(cells)} |", flush=True)
    versions = {"numpy": np.__version__, "scipy": scipy.__version__}
    print(json.dumps({"threads": options.threads, "condition": options.condition, "base": base, **versions, "results": results}))


if __name__ == "__main__":
    main()
