"""What the scripts share that hold whole programs side by side: runs with their peak of memory, rounds in turn, medians.

Only the standard library: a process inherits the peak of the one that starts it, which should be small.
"""

import importlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
RANKINE = HERE.parent.parent / "target" / "release" / "rankine"
BENCH = RANKINE.with_name("rankine-bench")
THREADS = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"]
MEGABYTE = 1e6


def add_arguments(parser):
    parser.add_argument("--rankine", default=RANKINE, help="the program")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has the other program")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())


def environment(threads):
    offline = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    return {**os.environ, **offline, **{name: str(threads) for name in THREADS}}


def limit(threads):
    """Of this process and of those that it starts; before numpy and its like are imported."""
    os.environ.update({name: str(threads) for name in THREADS})


def bench(program, name, matrix):
    """Figures of our benchmark of a matrix in a `.npy` file, by name, and its peak of memory in MB as `peak`."""
    os.environ["RANKINE_BENCH_MATRIX"] = str(matrix)
    _, peak, output = measured([program, name, "--json"], fine=(0,))
    return {**{figure["what"]: figure["value"] for figure in map(json.loads, output.splitlines())}, "peak": peak}


def rival(name):
    """A module, or `None` with a line on the other stream where it is not there."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        print(f"skipped: no {name} ({error})", file=sys.stderr)
        return None


def in_turn(programs, rounds):
    """What every program gives in every round, after a call that is not counted; each round turns the order round."""
    found = {name: [] for name in programs}
    for call in programs.values():
        call()
    for round_ in range(rounds):
        for name in list(programs)[:: -1 if round_ % 2 else 1]:
            found[name].append(programs[name]())
    return found


def peak(call, limit=600):
    """Largest resident memory, in MB, of a copy of this process that makes a call, with all that is here before; `None` where it
    fails or takes longer."""
    child = os.fork()
    if child == 0:
        signal.alarm(limit)
        try:
            call()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    return usage.ru_maxrss * 1024 / MEGABYTE if status == 0 else None


def measured(command, fine=(0, 1)):
    """Wall clock, peak of resident memory in MB and output of one of our commands, through a small process of its own: one that is
    started from here would begin with the peak of this one. 1: done, but not converged."""
    done = subprocess.run([sys.executable, __file__, *map(str, command)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    found = json.loads(done.stdout)
    if found["code"] not in fine:
        sys.exit(found["errors"])
    return found["seconds"], found["peak"], found["output"]


def measure(words):
    """The same, by the small process."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(words, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        streams = []
        for stream in (output, errors):
            stream.seek(0)
            streams.append(stream.read().decode(errors="replace"))
    found = {"seconds": seconds, "peak": usage.ru_maxrss * 1024 / MEGABYTE, "code": process.returncode}
    return {**found, "output": streams[0], "errors": streams[1]}


def run(command, threads):
    """Seconds, peak of resident memory in MB and output of a process; the peak counts mapped pages of files too."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        words = [str(word) for word in command]
        process = subprocess.Popen(words, stdout=output, stderr=errors, env=environment(threads))
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(words)}\n{errors.read().decode(errors='replace')}")
        return seconds, usage.ru_maxrss * 1024 / MEGABYTE, output.read().decode(errors="replace")


def import_seconds(python, module, threads):
    """Of a module in an interpreter of its own; `None`, with a line on the other stream, where it is not there."""
    found = subprocess.run([python, "-c", f"import {module.split('.')[0]}"], capture_output=True, text=True)
    if found.returncode:
        last = (found.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"skipped: `{python}` has no {module.split('.')[0]} ({last})", file=sys.stderr)
        return None
    # The first time reads its files from the disk.
    return min(run([python, "-c", f"import {module}"], threads)[0] for _ in range(3))


def without(seconds, imports):
    """What is left without the imports; `None` where that is less than they vary by."""
    return seconds - imports if 1.1 * imports < seconds else None


def weights(folder):
    """The files of a model with its numbers."""
    folder = pathlib.Path(folder)
    return sorted(folder.glob("*.safetensors")) if folder.is_dir() else [folder]


def size(folder):
    return sum(path.stat().st_size for path in weights(folder))


def copy_speed(model, rounds):
    """Bytes a second, read and written together, of copying the weights of a model beside where the results go."""
    speeds = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            for path in weights(model):
                shutil.copyfile(path, pathlib.Path(folder) / path.name)
            speeds.append(2 * size(model) / (time.perf_counter() - began))
    return statistics.median(speeds)


def side_by_side(name, programs, rounds):
    """Rows of a table: medians of every program, and of the ratios of its rounds to those of the first.

    Programs are called in turn, round by round; each gives figures by name. The first is ours.
    """
    found = {program: [] for program in programs}
    for _ in range(rounds):
        for program, call in programs.items():
            found[program].append(call())
    ours = next(iter(found))
    lines = []
    for program, figures in found.items():
        for figure in figures[0]:
            values = [round_[figure] for round_ in figures]
            if any(value is None for value in values):
                continue
            base = [round_.get(figure) for round_ in found[ours]]
            ratio = None
            if None not in base and 0 not in values:
                ratio = statistics.median(mine / other for mine, other in zip(base, values))
            median = statistics.median(values)
            lines.append({"what": name, "figure": figure, "program": program, "median": median, "ours / this": ratio})
            shown = "" if ratio is None else f"{ratio:.3f}"
            print(f"| {name} | {figure} | {program} | {median:.4g} | {shown} |", flush=True)
    return lines


def head():
    print("| what | figure | program | median | ours / this |\n| --- | --- | --- | ---: | ---: |")


def tail(settings, lines):
    """The last line: everything as JSON."""
    print(json.dumps({**settings, "results": lines}))


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1:])))
