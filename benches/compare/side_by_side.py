"""Runs a benchmark of ours and the script for the same work in turn, and prints both medians and their ratio.

    cargo build --release -p rankine -p rankine-bench
    python side_by_side.py ROW [--rounds 5] --model FOLDER [--gguf FILE] [--adapter DIR] [--threads 2]

ROW: lora, lora-bf16, full, attach, methods, merge, generate, networks, or `all`. FOLDER is the model in f32 safetensors,
which both sides read; FILE the same model as GGUF, for generation from the file's own type; DIR a LoRA of it
(`merge.py --make`).
Every round runs one after the other, each in a process of its own; a median is over the rounds, of what each process
gives as its own median. Printed: a line of the table in docs/performance.md a figure.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
RELEASE = HERE.parent.parent / "target" / "release"
MIB = 2**20 / 1e6


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", required=True)
    parser.add_argument("--gguf")
    parser.add_argument("--adapter")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


def ours(name, model, threads):
    """Figures of one benchmark by name."""
    environment = {**os.environ, "RANKINE_BENCH_MODEL": str(model), "RAYON_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [RELEASE / "rankine-bench", name, "--json"], env=environment, capture_output=True, text=True, check=True
    )
    return {figure["what"]: figure["value"] for figure in map(json.loads, done.stdout.splitlines())}


def theirs(script, *words):
    """The line of JSON that a script ends with."""
    done = subprocess.run([sys.executable, HERE / script, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def step(name, *words):
    def round_(options):
        mine = ours(name, options.model, options.threads)
        other = theirs("lora_step.py", options.model, "--threads", options.threads, *words)
        return {
            "seconds a step": (mine["seconds a step"], other["seconds_per_step"]),
            "peak resident, MB": (mine["peak resident"], other["peak_resident_mib"] * MIB),
        }

    return round_


def attach(options):
    mine = ours("attach", options.model, options.threads)
    words = ["--threads", options.threads, "--rounds", 1, "--no-svd"]
    other = theirs("pissa_attach.py", options.model, *words)["results"]
    kinds = {"exact": "pissa", "randomised, 4 power iterations": "pissa_niter_4"}
    figures = {}
    for kind, init in kinds.items():
        figures[f"{kind}, s"] = (mine[kind], other[init]["attach_seconds"])
        figures[f"{kind}, error"] = (mine[f"{kind}: error"], other[init]["error"])
    return figures


def methods(options):
    mine = ours("methods", options.model, options.threads)
    other = theirs("attach_methods.py", options.model, "--threads", options.threads, "--rounds", 1)["results"]
    figures = {}
    for name, found in other.items():
        if "skipped" not in found and f"{name}: attach" in mine:
            figures[f"{name}, s"] = (mine[f"{name}: attach"], found["attach_seconds"])
            figures[f"{name}, peak resident, MB"] = (mine[f"{name}: peak resident"], found["peak_resident_mib"] * MIB)
            figures[f"{name}, trained"] = (mine[f"{name}: trained"], found["trained"])
    return figures


def merge(options):
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        command = [RELEASE / "rankine", "--quiet", "merge", options.model, options.adapter, "--output", f"{folder}/ours"]
        done = subprocess.run(["/usr/bin/time", "-f", "%M", *command], capture_output=True, text=True, check=True)
        seconds, peak = time.perf_counter() - began, int(done.stderr.splitlines()[-1]) * 1.024e-3
        other = theirs("merge.py", options.model, options.adapter, f"{folder}/theirs", "--threads", options.threads)
    return {
        "seconds (theirs without imports)": (seconds, other["seconds"]),
        "seconds (theirs with imports)": (seconds, other["seconds_with_imports"]),
        "peak resident, MB": (peak, other["peak_resident_mib"] * MIB),
    }


def generate(options):
    other = theirs("generate.py", options.model, "--threads", options.threads, "--rounds", 1)["tokens_per_second"]
    mine = ours("generate", options.gguf or options.model, options.threads)
    kinds = ["f32", "bf16"] + (["type of the file"] if options.gguf else [])
    return {f"tokens/s, {kind} (theirs f32)": (mine[f"greedy, {kind}"], other) for kind in kinds}


def networks(options):
    mine = ours("networks", options.model, options.threads)
    other = theirs("networks.py", "--threads", options.threads)
    return {f"{name}, ms a step": (mine[name], other[f"{name}_ms"]["step"]) for name in ("mlp", "lenet")}


ROWS = {
    "lora": step("lora"),
    "lora-bf16": step("lora-bf16", "--dtype", "bfloat16", "--steps", "3", "--warmup", "1"),
    "full": step("full", "--train", "all", "--steps", "5"),
    "attach": attach,
    "methods": methods,
    "merge": merge,
    "generate": generate,
    "networks": networks,
}


def main():
    options = arguments()
    for name in ROWS if options.row == "all" else [options.row]:
        rounds = [ROWS[name](options) for _ in range(options.rounds)]
        for figure in rounds[0]:
            mine, other = (statistics.median(found[figure][side] for found in rounds) for side in (0, 1))
            ratio = statistics.median(found[figure][0] / found[figure][1] for found in rounds)
            print(f"| {name}: {figure} | {other:.4g} | {mine:.4g} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
