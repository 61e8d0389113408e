"""Seconds and memory of all spectra of a model with WeightWatcher, with numpy and with `rankine inspect`.

    cargo build --release -p rankine
    python inspect_weights.py MODEL [--python WEIGHTWATCHER/bin/python] [--rounds 3] [--threads 2] [--tensor GLOB]

MODEL is a folder with safetensors in f32, f16 or bf16; WeightWatcher also wants transformers to read it. All find every singular
value of every matrix: ours with `--exact`, numpy by LAPACK in f32, matrix by matrix from a mapped file, WeightWatcher by its
`analyze`, which looks at linear layers and fits power laws (ours does too, numpy's values are all there is). Rounds are in turn,
each program in a process of its own; `without imports` leaves out what Python takes for its imports, measured apart.
`of a copy`: bytes read a second over those that a copy of the weights reads and writes. Largest difference: of any singular
value of numpy's and ours, over the largest one of its matrix. With --tensor a part of the tensors, for ours and numpy.

A program that is not there is left out. It is not called inspect.py, as Python's own module is, which torch and numpy import from
the folder of the script first. The last line is JSON.
"""

import argparse
import json
import pathlib
import tempfile

import processes

NUMPY = """
import fnmatch, json, pathlib, sys
import numpy as np
folder, pattern, target = sys.argv[1:]
kinds = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}
spectra = {}
for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    numbers = np.memmap(path, np.uint8, "r", offset=8 + length)
    for name, tensor in header.items():
        if len(tensor["shape"]) != 2 or tensor["dtype"] not in kinds or not fnmatch.fnmatchcase(name, pattern):
            continue
        begin, end = tensor["data_offsets"]
        matrix = numbers[begin:end].view(kinds[tensor["dtype"]]).reshape(tensor["shape"])
        if tensor["dtype"] == "BF16":
            matrix = (matrix.astype(np.uint32) << 16).view(np.float32)
        spectra[name] = np.linalg.svd(matrix.astype(np.float32), compute_uv=False).tolist()
pathlib.Path(target).write_text(json.dumps(spectra))
"""

WATCHER = """
import sys
import transformers, weightwatcher
model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype="float32")
weightwatcher.WeightWatcher(model=model).analyze(plot=False)
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--tensor", default="*", help="names of tensors, with * and ?")
    processes.add_arguments(parser)
    return parser.parse_args()


def largest_difference(mine, theirs):
    """Of singular values that both have."""
    worst = 0.0
    for name in mine.keys() & theirs.keys():
        scale = max(theirs[name][0], 1e-30)
        worst = max(worst, max(abs(x - y) for x, y in zip(mine[name], theirs[name])) / scale)
    return worst


def main():
    options = arguments()
    imports = {
        module: processes.import_seconds(options.python, module, options.threads) for module in ("numpy", "weightwatcher")
    }
    speed, read = processes.copy_speed(options.model, options.rounds), processes.size(options.model)
    with tempfile.TemporaryDirectory() as folder:
        page, values = (pathlib.Path(folder) / name for name in ("ours.json", "numpy.json"))

        def figures(command, imports=0.0):
            seconds, peak, output = processes.run(command, options.threads)
            if command[0] == options.rankine:
                page.write_text(output)
            share = read / seconds / speed if options.tensor == "*" else None
            return {
                "seconds": seconds,
                "seconds without imports": processes.without(seconds, imports),
                "peak resident, MB": peak,
                "of a copy": share,
            }

        def ours():
            words = ["inspect", options.model, "--exact", "--json", "--tensor", options.tensor]
            return figures([options.rankine, "--quiet", *words])

        def numpy():
            command = [options.python, "-c", NUMPY, options.model, options.tensor, values]
            return figures(command, imports["numpy"])

        def watcher():
            return figures([options.python, "-c", WATCHER, options.model], imports["weightwatcher"])

        programs = {"rankine": ours}
        if imports["numpy"] is not None:
            programs["numpy"] = numpy
        if imports["weightwatcher"] is not None and options.tensor == "*":
            programs["WeightWatcher"] = watcher
        processes.head()
        results = processes.side_by_side("inspect", programs, options.rounds)
        worst = None
        if "numpy" in programs:
            tensors = json.loads(page.read_text())["tensors"]
            mine = {tensor["name"]: tensor["spectrum"]["singular_values"] for tensor in tensors if tensor["spectrum"]}
            theirs = json.loads(values.read_text())
            worst = largest_difference(mine, theirs)
            both = len(mine.keys() & theirs.keys())
            print(f"| inspect | largest difference of {both} spectra | both | {worst:.1e} | |")
    settings = {"threads": options.threads, "copy, bytes a second": speed, "import seconds": imports}
    processes.tail({**settings, "largest difference": worst}, results)


if __name__ == "__main__":
    main()
