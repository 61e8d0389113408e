"""Seconds, memory and fidelity of making a LoRA of a fine-tune with mergekit-extract-lora and with `rankine extract`.

    cargo build --release -p rankine
    python extract.py BASE TUNED [--python MERGEKIT/bin/python] [--rank 32] [--rounds 3] [--threads 2]

Both models are folders that transformers reads, with safetensors; `blend.py --make` writes a TUNED. Rounds are in turn, each
program in a process of its own; `without imports` leaves out what Python takes to import mergekit and torch, measured apart.
Error: ‖ΔW − s·B·A‖ / ‖ΔW‖ over all modules that both adapters have, computed here from the files. The share of the disk's
speed is not shown: decompositions take the time.

Without mergekit only ours is measured. The last line is JSON.
"""

import argparse
import json
import pathlib
import tempfile

import processes

MODULE = "mergekit.scripts.extract_lora"

ERRORS = """
import json, pathlib, sys
from safetensors import safe_open
def tensors(folder):
    names = {}
    for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
        file = safe_open(path, "pt")
        names.update((name, file) for name in file.keys())
    return names
def read(files, name):
    return files[name].get_tensor(name).double()
def factors(folder):
    config = json.loads((pathlib.Path(folder) / "adapter_config.json").read_text())
    files = tensors(folder)
    def setting(module, patterns, default):
        found = [value for key, value in (config.get(patterns) or {}).items() if f".{module}".endswith(f".{key}")]
        return found[0] if found else default
    modules = {}
    for name in files:
        if name.endswith(".lora_A.weight"):
            module = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            scale = setting(module, "alpha_pattern", config["lora_alpha"]) / setting(module, "rank_pattern", config["r"])
            modules[module] = (files, name, name.replace("lora_A", "lora_B"), scale)
    return modules
base, tuned = (tensors(folder) for folder in sys.argv[1:3])
adapters = [factors(folder) for folder in sys.argv[3:]]
common = set.intersection(*(set(adapter) for adapter in adapters))
common = sorted(module for module in common if f"{module}.weight" in base)
whole, left = 0.0, [0.0] * len(adapters)
for module in common:
    change = read(tuned, f"{module}.weight") - read(base, f"{module}.weight")
    whole += change.square().sum().item()
    for at, adapter in enumerate(adapters):
        files, a, b, scale = adapter[module]
        left[at] += (change - scale * read(files, b) @ read(files, a)).square().sum().item()
print(json.dumps({"modules": len(common), "errors": [(error / whole) ** 0.5 for error in left]}))
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("tuned")
    parser.add_argument("--rank", type=int, default=32)
    processes.add_arguments(parser)
    return parser.parse_args()


def main():
    options = arguments()
    imports = processes.import_seconds(options.python, MODULE, options.threads)
    base, tuned = (str(pathlib.Path(model).resolve()) for model in (options.base, options.tuned))
    with tempfile.TemporaryDirectory() as folder:
        mine, theirs = (pathlib.Path(folder) / name for name in ("mine", "theirs"))

        def figures(command, imports=0.0):
            seconds, peak, _ = processes.run(command, options.threads)
            alone = processes.without(seconds, imports)
            return {"seconds": seconds, "seconds without imports": alone, "peak resident, MB": peak}

        def ours():
            words = ["extract", base, tuned, "--rank", options.rank, "--output", mine, "--force"]
            return figures([options.rankine, "--quiet", *words])

        def mergekit():
            words = ["--model", tuned, "--base-model", base, "--out-path", theirs, "--max-rank", options.rank]
            return figures([options.python, "-m", MODULE, *words, "--num-threads", options.threads], imports)

        programs = {"rankine": ours} if imports is None else {"rankine": ours, "mergekit": mergekit}
        processes.head()
        what = f"extract, rank {options.rank}"
        results = processes.side_by_side(what, programs, options.rounds)
        fidelity = None
        if imports is not None:
            words = [options.python, "-c", ERRORS, base, tuned, mine, theirs]
            fidelity = json.loads(processes.run(words, options.threads)[2])
            for program, error in zip(programs, fidelity["errors"]):
                print(f"| {what} | error of {fidelity['modules']} modules | {program} | {error:.6f} | |")
    settings = {"threads": options.threads, "rank": options.rank, "import seconds": imports, "fidelity": fidelity}
    processes.tail(settings, results)


if __name__ == "__main__":
    main()
