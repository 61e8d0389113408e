"""Seconds a round of matrix completion: alternating least squares of numpy and of `implicit` beside `rankine solve complete`.

    cargo build --release -p rankine
    pip install numpy scipy [implicit]
    python completion.py [--cases 943x1682x100000 70000x10000x10000000] [--rank 10] [--rounds 3] [--threads 1] [--rankine PATH]

A case is ROWSxCOLUMNSxENTRIES: a matrix of --rank with a normal spectrum and noise of a tenth, entries at random places, a tenth of
them kept from everyone. MovieLens-100k has the size of the first. numpy's rounds are weighted-λ ALS by normal equations, line by
line, in f64, which is what ours minimises; `implicit` fits all cells with a weight on the known ones, which is another problem and
has no error to compare: its time a round alone is told, by three steps of conjugate gradients in f32, its default.

All make --steps rounds from a start of their own. Seconds a round are those of the report for ours, without the reading of
the file, whose process stands beside it; the start is in them (a spectral one for ours, random numbers for theirs). Programs run in
turn; ratios are medians over the rounds. Then, with --growth, ours on 70000 × 10000 with ever more entries: time a round over
entries, which should not grow.

The last line is JSON.
"""

import argparse
import functools
import json
import statistics
import subprocess
import sys
import tempfile
import time

import processes


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=["943x1682x100000", "70000x10000x10000000"])
    parser.add_argument("--growth", nargs="*", type=int, default=[1_250_000, 2_500_000, 5_000_000, 10_000_000])
    parser.add_argument("--rank", type=int, default=10)
    parser.add_argument("--ridge", type=float, default=0.05)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rankine", default=processes.RANKINE)
    return parser.parse_args()


options = arguments()
processes.limit(options.threads)

import numpy as np
import scipy
import scipy.sparse

try:
    import implicit
    import implicit.als
except ImportError:
    implicit = None


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
    """Seconds a round, of the process, and the error."""
    began = time.perf_counter()
    command = [options.rankine, "solve", "complete", f"{folder}/shown.mtx", "--rank", str(options.rank), "--json"]
    command += ["--ridge", repr(options.ridge), "--steps", str(options.steps), "--tolerance", "0", "--solver", solver]
    done = subprocess.run([*command, "--output", f"{folder}/factors.npz"], capture_output=True, text=True)
    wall = time.perf_counter() - began
    # 1: done, but out of steps, as it should be.
    if done.returncode not in (0, 1):
        sys.exit(done.stderr)
    report, factors = json.loads(done.stdout), np.load(f"{folder}/factors.npz")
    return report["seconds"] / report["steps"], wall, rmse(factors["left"], factors["right"], held)


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
    began = time.perf_counter()
    draw = np.random.default_rng(1)
    left, right = (draw.standard_normal((side, options.rank)) for side in shape)
    for _ in range(options.steps):
        half(by_column, left, right)
        half(by_row, right, left)
    return (time.perf_counter() - began) / options.steps, None, rmse(left, right, held)


def implicit_als(shown, shape):
    row, column, value = shown
    matrix = scipy.sparse.csr_matrix((np.abs(value).astype(np.float32), (row, column)), shape=shape)
    model = implicit.als.AlternatingLeastSquares(
        factors=options.rank, regularization=options.ridge, iterations=options.steps, num_threads=options.threads, random_state=0
    )
    began = time.perf_counter()
    model.fit(matrix, show_progress=False)
    return (time.perf_counter() - began) / options.steps, None, None


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
        if implicit:
            programs["implicit ALS"] = functools.partial(implicit_als, shown, shape)
        rounds = [{name: run() for name, run in programs.items()} for _ in range(options.rounds)]
    for name in programs:
        seconds = statistics.median(found[name][0] for found in rounds)
        ratio = statistics.median(found["rankine alternating"][0] / found[name][0] for found in rounds)
        _, wall, error = rounds[0][name]
        results.append({"case": case, "program": name, "seconds_a_round": seconds, "wall": wall, "rmse": error, "ratio": ratio})
        shown_error = "" if error is None else f"{error:.4f}"
        print(f"| {case} | {name} | {seconds:.4f} | {shown_error} | {ratio:.2f} |", flush=True)
    return results


def growth():
    results = []
    print("\n| entries | seconds a round | nanoseconds a round and entry |\n| ---: | ---: | ---: |")
    for count in options.growth:
        shape = (70_000, 10_000)
        shown, held = problem(*shape, count)
        with tempfile.TemporaryDirectory() as folder:
            write(folder, shown, shape)
            seconds = statistics.median(ours("alternating", folder, held)[0] for _ in range(options.rounds))
        each = 1e9 * seconds / len(shown[0])
        results.append({"entries": len(shown[0]), "seconds_a_round": seconds, "nanoseconds": each})
        print(f"| {len(shown[0])} | {seconds:.4f} | {each:.0f} |", flush=True)
    return results


def main():
    print("| case | program | seconds a round | error held out | ours / theirs |\n| --- | --- | ---: | ---: | ---: |")
    results = [line for case in options.cases for line in compare(case)]
    versions = {"numpy": np.__version__, "scipy": scipy.__version__, "implicit": implicit and implicit.__version__}
    settings = {"rank": options.rank, "ridge": options.ridge, "steps": options.steps, "threads": options.threads}
    print(json.dumps({**settings, **versions, "results": results, "growth": growth()}))


if __name__ == "__main__":
    main()
