"""Seconds of a draw from a projection determinantal process: DPPy beside ours, on the same basis.

    cargo build --release -p rankine-bench
    pip install numpy dppy
    python dpp.py [--cases 2000x20 10000x50 50000x100] [--rounds 5] [--draws 5] [--bench PATH]

A case is CANDIDATESxSIZE: an orthonormal basis of random columns, of whose rows as many are drawn as there are columns. DPPy is
given the vectors of the kernel (`eig_vecs` with all eigenvalues 1), so that it decomposes nothing, in its default mode
(`GS`), which updates all candidates at every row drawn; ours proposes and rejects. Both are on one thread. Ours is the median of
21 draws in a process of its own, DPPy's the median of --draws, in turn for --rounds; ratios are medians over the rounds.

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
from dppy.finite_dpps import FiniteDPP


def ours(path):
    return processes.bench(options.bench, "dpp", path)["a draw"]


def theirs(basis):
    process = FiniteDPP("correlation", projection=True, K_eig_dec=(np.ones(basis.shape[1]), basis))
    draw, seconds = np.random.RandomState(0), []
    for _ in range(options.draws):
        began = time.perf_counter()
        found = process.sample_exact(random_state=draw)
        seconds.append(time.perf_counter() - began)
        assert len(set(found)) == basis.shape[1]
    return statistics.median(seconds)


def main():
    results = []
    print("| case | DPPy, s a draw | rankine, s a draw | ours / theirs |\n| --- | ---: | ---: | ---: |")
    for case in options.cases:
        candidates, size = map(int, case.split("x"))
        basis = np.linalg.qr(np.random.default_rng(0).standard_normal((candidates, size)))[0]
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/basis.npy", basis)
            rounds = [(ours(f"{folder}/basis.npy"), theirs(basis)) for _ in range(options.rounds)]
        mine, other = (statistics.median(found[side] for found in rounds) for side in (0, 1))
        ratio = statistics.median(found[0] / found[1] for found in rounds)
        results.append({"case": case, "rankine": mine, "dppy": other, "ratio": ratio})
        print(f"| {case} | {other:.5f} | {mine:.5f} | {ratio:.3f} |", flush=True)
    versions = {"dppy": importlib.metadata.version("dppy"), "numpy": np.__version__}
    print(json.dumps({"draws": options.draws, **versions, "results": results}))


if __name__ == "__main__":
    main()
