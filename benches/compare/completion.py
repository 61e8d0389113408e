"""Seconds a round of matrix completion: alternating least squares of numpy and of `implicit` beside `rankine solve complete`.

    cargo build --release -p rankine
    pip install numpy scipy [implicit]
    python completion.py [--cases 943x1682x100000 70000x10000x10000000] [--rank 10] [--rounds 5] [--threads 1] [--rankine PATH]

A case is ROWSxCOLUMNSxENTRIES: a matrix of --rank with a normal spectrum and noise of a tenth, entries at random places, a tenth of
them kept from everyone. MovieLens-100k has the size of the first. numpy's rounds are weighted-λ ALS by normal equations, line by
line, in f64, which is what ours minimises; `implicit` fits all cells with a weight on the known ones, which is another problem and
has no error to compare: its time a round alone is told, by three steps of conjugate gradients in f32, its default.

All make --steps rounds from a start of their own. Seconds a round are those of the report for ours, without the reading of
the file, whose process is in the JSON; the start is in them (a spectral one for ours, random numbers for theirs). Beside them stand
the seconds until ‖M − L·Rᵀ‖/‖M‖ over the entries shown is within 1 % of the largest at which one of these programs ends: to the
same error. Programs run in turn after a run that is not counted, each round in the other order; times are medians and ratios medians
of ratios. Memory is the peak of resident memory in MB: of our process, and of a copy of this one, of which `base` MB are there
before. Then, with --growth, ours on 70000 × 10000 with ever more entries: time a round over entries, which should not grow.

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


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=["943x1682x100000", "70000x10000x10000000"])
    parser.add_argument("--growth", nargs="*", type=int, default=[1_000_000, 2_000_000, 5_000_000, 10_000_000])
    parser.add_argument("--rank", type=int, default=10)
    parser.add_argument("--ridge", type=float, default=0.05)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rankine", default=processes.RANKINE)
    return parser.parse_args()


options = arguments()
processes.limit(options.threads)

import numpy as np
import scipy
import scipy.sparse

als = processes.rival("implicit.als")


def problem(rows, columns, count):
    """The entries that are shown, those that are not, each as (rows, columns, values)."""
    draw = np.random.default_rng(0)
    places = np.unique(draw.integers(rows * columns, size=count))
    row, column = np.divmod(draw.permutation(places), columns)
    left, right = (draw.standard_normal((side, options.rank)) / options.rank**0.25 for side in (rows, columns))
    value = np.einsum("ij,ij->i", left[row], right[column]) + 0.1 * draw.standard_normal(len(row))
    kept = len(row) // 10
    return [(row[part], column[part], value[part]) for part in (slice(kept, None), slice(kept))]


def rmse(left, right, held):
    row, column, value = held
    return float(np.sqrt(np.mean((value - np.einsum("ij,ij->i", left[row], right[column])) ** 2)))


def ours(solver, folder, held):
    """Seconds a round, error, seconds and residual round by round, wall clock and memory of the process."""
    command = [options.rankine, "solve", "complete", f"{folder}/shown.mtx", "--rank", str(options.rank), "--json"]
    command += ["--ridge", repr(options.ridge), "--steps", str(options.steps), "--tolerance", "0", "--solver", solver]
    wall, peak, output = processes.measured([*command, "--output", f"{folder}/factors.npz"])
    report, factors = json.loads(output), np.load(f"{folder}/factors.npz")
    curve = [(step["seconds"], step["residual"]) for step in report["trace"]]
    error = rmse(factors["left"], factors["right"], held)
    return {"seconds": report["seconds"] / report["steps"], "rmse": error, "curve": curve, "wall": wall, "peak": peak}


def half(lines, fixed, moving):
    """Every line of one side, given the other."""
    for line in range(lines.shape[0]):
        span = slice(lines.indptr[line], lines.indptr[line + 1])
        known, values = fixed[lines.indices[span]], lines.data[span]
        if len(values):
            gram = known.T @ known + options.ridge * len(values) * np.eye(options.rank)
            moving[line] = np.linalg.solve(gram, known.T @ values)


def numpy_als(shown, shape, held):
    row, column, value = shown
    by_row = scipy.sparse.csr_matrix((value, (row, column)), shape=shape)
    by_column = by_row.T.tocsr()
    began, aside, whole = time.perf_counter(), 0.0, float(np.sqrt(np.mean(value**2)))
    draw, curve = np.random.default_rng(1), []
    left, right = (draw.standard_normal((side, options.rank)) for side in shape)
    for _ in range(options.steps):
        half(by_column, left, right)
        half(by_row, right, left)
        seconds = time.perf_counter() - began - aside
        # The residual is not what is measured.
        curve.append((seconds, rmse(left, right, shown) / whole))
        aside = time.perf_counter() - began - seconds
    return {"seconds": seconds / options.steps, "rmse": rmse(left, right, held), "curve": curve}


def implicit_als(shown, shape):
    row, column, value = shown
    matrix = scipy.sparse.csr_matrix((np.abs(value).astype(np.float32), (row, column)), shape=shape)
    model = als.AlternatingLeastSquares(
        factors=options.rank, regularization=options.ridge, iterations=options.steps, num_threads=options.threads, random_state=0
    )
    began = time.perf_counter()
    model.fit(matrix, show_progress=False)
    return {"seconds": (time.perf_counter() - began) / options.steps}


def write(folder, shown, shape):
    row, column, value = shown
    with open(f"{folder}/shown.mtx", "w") as file:
        file.write(f"%%MatrixMarket matrix coordinate real general\n{shape[0]} {shape[1]} {len(row)}\n")
        np.savetxt(file, np.column_stack([row + 1, column + 1, value]), fmt="%d %d %.17g")


def compare(case):
    rows, columns, count = map(int, case.split("x"))
    shown, held = problem(rows, columns, count)
    shape, results = (rows, columns), []
    with tempfile.TemporaryDirectory() as folder:
        write(folder, shown, shape)
        programs = {f"rankine {name}": functools.partial(ours, name, folder, held) for name in ("alternating", "exact")}
        programs["numpy ALS"] = functools.partial(numpy_als, shown, shape, held)
        if als:
            programs["implicit ALS"] = functools.partial(implicit_als, shown, shape)
        found = processes.in_turn(programs, options.rounds)
        peaks = {name: found[name][0].get("peak") or processes.peak(run) for name, run in programs.items()}
    goal = 1.01 * max(runs[0]["curve"][-1][1] for runs in found.values() if "curve" in runs[0])
    mine = found["rankine alternating"]
    for name, runs in found.items():
        seconds = statistics.median(run["seconds"] for run in runs)
        ratio = statistics.median(ours["seconds"] / run["seconds"] for ours, run in zip(mine, runs))
        there = [until(run["curve"], goal) for run in runs if "curve" in run]
        there = statistics.median(there) if there else None
        line = {"case": case, "program": name, "seconds_a_round": seconds, "seconds_to_goal": there, "goal": goal}
        error, wall = runs[0].get("rmse"), runs[0].get("wall")
        results.append({**line, "rmse": error, "wall": wall, "peak": peaks[name], "ratio": ratio})
        cells = [f"{seconds:.4f}"] + ["" if x is None else f"{x:.4g}" for x in (there, error, peaks[name])]
        print(f"| {case} | {name} | {' | '.join(cells)} | {ratio:.2f} |", flush=True)
    return results


def until(curve, goal):
    """Seconds of the first round that is near enough."""
    return next((seconds for seconds, residual in curve if residual <= goal), float("inf"))


def growth():
    results = []
    print("\n| entries | seconds a round | nanoseconds a round and entry |\n| ---: | ---: | ---: |")
    for count in options.growth:
        shape = (70_000, 10_000)
        shown, held = problem(*shape, count)
        with tempfile.TemporaryDirectory() as folder:
            write(folder, shown, shape)
            ours("alternating", folder, held)
            runs = [ours("alternating", folder, held) for _ in range(options.rounds)]
        seconds = statistics.median(run["seconds"] for run in runs)
        each = 1e9 * seconds / len(shown[0])
        results.append({"entries": len(shown[0]), "seconds_a_round": seconds, "nanoseconds": each})
        print(f"| {len(shown[0])} | {seconds:.4f} | {each:.0f} |", flush=True)
    return results


def main():
    base = processes.peak(lambda: None)
    print("| case | program | seconds a round | to the same error | error held out | MB | ours / theirs |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    results = [line for case in options.cases for line in compare(case)]
    versions = {"numpy": np.__version__, "scipy": scipy.__version__, "implicit": als and importlib.metadata.version("implicit")}
    settings = {"rank": options.rank, "ridge": options.ridge, "steps": options.steps, "threads": options.threads, "base": base}
    print(json.dumps({**settings, **versions, "results": results, "growth": growth()}))


if __name__ == "__main__":
    main()
