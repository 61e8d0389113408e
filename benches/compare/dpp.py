"""Seconds of a draw from a projection determinantal process: DPPy beside ours, on the same basis.

    cargo build --release -p rankine-bench
    pip install numpy dppy
    python dpp.py [--cases 2000x20 10000x50 50000x100] [--rounds 5] [--draws 5] [--bench PATH]

A case is CANDIDATESxSIZE: an orthonormal basis of random columns, of whose rows as many are drawn as there are columns. DPPy is
given the vectors of the kernel (`eig_vecs` with all eigenvalues 1), so that it decomposes nothing, in its default mode
(`GS`), which updates all candidates at every row drawn; ours proposes and rejects; both are exact. Both are on one thread. Ours is the
median of 21 draws in a process of its own, DPPy's the median of --draws, in turn for --rounds after a run that is not counted, each
round in the other order; ratios are medians over the rounds. Memory is the peak of resident memory in MB: of our process, and of a
copy of this one, of which `base` MB are there before. Without DPPy ours is measured alone.

The last line is JSON.
"""

import argparse
import importlib.metadata
import json
import statistics
import tempfile
import time

import processes


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=["2000x20", "10000x50", "50000x100"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--bench", default=processes.BENCH)
    return parser.parse_args()


options = arguments()
processes.limit(1)

import numpy as np

finite = processes.rival("dppy.finite_dpps")


def ours(path):
    found = processes.bench(options.bench, "dpp", path)
    return found["a draw"], found["peak"]


def theirs(basis):
    process = finite.FiniteDPP("correlation", projection=True, K_eig_dec=(np.ones(basis.shape[1]), basis))
    draw, seconds = np.random.RandomState(0), []
    for _ in range(options.draws):
        began = time.perf_counter()
        found = process.sample_exact(random_state=draw)
        seconds.append(time.perf_counter() - began)
        assert len(set(found)) == basis.shape[1]
    return statistics.median(seconds), None


def main():
    results = []
    base = processes.peak(lambda: None)
    print("| case | DPPy, s a draw | MB | rankine, s a draw | MB | ours / theirs |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for case in options.cases:
        candidates, size = map(int, case.split("x"))
        basis = np.linalg.qr(np.random.default_rng(0).standard_normal((candidates, size)))[0]
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/basis.npy", basis)
            programs = {"rankine": lambda: ours(f"{folder}/basis.npy")}
            if finite:
                programs["dppy"] = lambda: theirs(basis)
            found = processes.in_turn(programs, options.rounds)
        line = {"case": case} | {name: statistics.median(run[0] for run in runs) for name, runs in found.items()}
        line["rankine_peak"] = found["rankine"][0][1]
        if finite:
            line["dppy_peak"] = processes.peak(programs["dppy"])
            line["ratio"] = statistics.median(ours[0] / run[0] for ours, run in zip(found["rankine"], found["dppy"]))
        results.append(line)
        shown = {"dppy": ".5f", "dppy_peak": ".0f", "rankine": ".5f", "rankine_peak": ".0f", "ratio": ".3f"}
        cells = [format(line[key], form) if line.get(key) is not None else "" for key, form in shown.items()]
        print(f"| {case} | {' | '.join(cells)} |", flush=True)
    versions = {"dppy": finite and importlib.metadata.version("dppy"), "numpy": np.__version__}
    print(json.dumps({"draws": options.draws, "base": base, **versions, "results": results}))


if __name__ == "__main__":
    main()
