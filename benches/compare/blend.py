"""Seconds and memory of blending models with mergekit and with `rankine blend`, by the same recipe.

    cargo build --release -p rankine
    python blend.py BASE FIRST SECOND [--python MERGEKIT/bin/python] [--rounds 3] [--threads 2] [--methods linear ties]
    python blend.py BASE FIRST SECOND --make [--python PYTHON]     # only writes FIRST and SECOND: BASE with small noise

The models are folders that transformers reads, with safetensors. linear: FIRST and SECOND, half of each; ties: their
differences from BASE, density 0.5. Rounds are in turn, each program in a process of its own, so that its time counts its start;
`without imports` leaves out what Python takes to import mergekit and torch, measured apart. `of a copy`: bytes read and written a
second over those of copying the weights of BASE to the same disk; nothing is flushed, so read all files once before. Largest
difference: of any number of the two results, over the largest of its tensor; two bf16 results may be a step apart, 2⁻⁸.

Without mergekit only ours is measured. The last line is JSON.
"""

import argparse
import pathlib
import tempfile

import processes

MODULE = "mergekit.scripts.run_yaml"

MAKE = """
import pathlib, shutil, sys
import torch
from safetensors import safe_open
from safetensors.torch import save_file
base, targets = pathlib.Path(sys.argv[1]), sys.argv[2:]
for seed, target in enumerate(map(pathlib.Path, targets)):
    target.mkdir(parents=True)
    draw = torch.Generator().manual_seed(seed)
    for path in base.iterdir():
        if path.suffix != ".safetensors":
            if path.is_file():
                shutil.copyfile(path, target / path.name)
            continue
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and tensor.ndim == 2:
                noise = torch.randn(tensor.shape, generator=draw) * (0.05 * tensor.float().std())
                tensors[name] = (tensor.float() + noise).to(tensor.dtype)
        save_file(tensors, target / path.name, {"format": "pt"})
"""

DIFFERENCE = """
import pathlib, sys
from safetensors import safe_open
def tensors(folder):
    for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
        file = safe_open(path, "pt")
        yield from ((name, file) for name in file.keys())
mine, other = (dict(tensors(folder)) for folder in sys.argv[1:])
common = mine.keys() & other.keys()
worst = 0.0
for name in common:
    x, y = (file[name].get_tensor(name).float() for file in (mine, other))
    worst = max(worst, ((x - y).abs().max() / y.abs().max().clamp_min(1e-30)).item())
print(worst, len(mine.keys() ^ other.keys()))
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs=3, metavar="MODEL", help="base, first, second")
    parser.add_argument("--methods", nargs="+", default=["linear", "ties"], choices=["linear", "ties"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"], help="of sums and result")
    parser.add_argument("--make", action="store_true", help="write the second and third model and stop")
    processes.add_arguments(parser)
    return parser.parse_args()


def recipe(method, models, dtype):
    """The same for both programs."""
    base, first, second = (pathlib.Path(model).resolve() for model in models)
    parameters = "{weight: 0.5}" if method == "linear" else "{weight: 0.5, density: 0.5}"
    lines = [f"merge_method: {method}", f"dtype: {dtype}", "models:"]
    lines += [f"  - {{model: {model}, parameters: {parameters}}}" for model in (first, second)]
    if method == "ties":
        lines.append(f"base_model: {base}")
    return "\n".join(lines) + "\n"


def main():
    options = arguments()
    if options.make:
        processes.run([options.python, "-c", MAKE, *options.models], options.threads)
        return
    imports = processes.import_seconds(options.python, MODULE, options.threads)
    speed = processes.copy_speed(options.models[0], options.rounds)
    results, agreement = [], {}
    processes.head()
    for method in options.methods:
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "recipe.yaml"
            file.write_text(recipe(method, options.models, options.dtype))
            mine, theirs = (pathlib.Path(folder) / name for name in ("mine", "theirs"))
            read = sum(map(processes.size, options.models if method == "ties" else options.models[1:]))

            def figures(command, output, imports=0.0):
                seconds, peak, _ = processes.run(command, options.threads)
                moved = read + processes.size(output)
                return {
                    "seconds": seconds,
                    "seconds without imports": processes.without(seconds, imports),
                    "peak resident, MB": peak,
                    "of a copy": moved / seconds / speed,
                }

            def ours():
                command = [options.rankine, "--quiet", "blend", file, "--output", mine, "--force"]
                return figures(command, mine)

            def mergekit():
                command = [options.python, "-m", MODULE, file, theirs, "--quiet", "--num-threads", options.threads]
                return figures(command, theirs, imports)

            programs = {"rankine": ours} if imports is None else {"rankine": ours, "mergekit": mergekit}
            results += processes.side_by_side(method, programs, options.rounds)
            if imports is not None:
                words = [options.python, "-c", DIFFERENCE, mine, theirs]
                worst, unlike = processes.run(words, options.threads)[2].split()
                agreement[method] = {"largest difference": float(worst), "tensors of one only": int(unlike)}
                print(f"| {method} | largest difference | both | {float(worst):.1e} | |")
    settings = {"threads": options.threads, "dtype": options.dtype, "copy, bytes a second": speed}
    processes.tail({**settings, "import seconds": imports, "agreement": agreement}, results)


if __name__ == "__main__":
    main()
