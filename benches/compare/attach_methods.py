"""Seconds that peft takes to put each of its methods on every linear layer, to hold our own figures against.

    python attach_methods.py MODEL [--rounds 3] [--threads N] [--rank 16] [--methods lora pissa ...]

MODEL is a folder that transformers reads. Every start runs in a process of its own, on a model in f32 that is loaded
already; the medians over the rounds are given. Timed is the whole of `get_peft_model`, nothing taken off, and for `eva`
`initialize_lora_eva_weights` as well, which is shown two batches of 2 × 256 random tokens: peft would go through them
again and again until every direction has settled, so its threshold is set where all count as settled after the second
(one more pass of the model, by which peft finds equal inputs, stays). Peak memory is the largest from the start of the
clock on, the model included (Linux only). What does not run here is named with the reason: LoftQ of peft, for one, wants
a GPU and bitsandbytes. The last line is JSON.
"""

import argparse
import json
import multiprocessing
import pathlib
import statistics
import time
import warnings

import peft
import torch
import transformers

# A cosine below every other: peft allows none below 0 when it is made.
EVA = peft.EvaConfig()
EVA.tau = -2.0
METHODS = {
    "lora": {},
    "pissa": {"init_lora_weights": "pissa"},
    "pissa_niter_4": {"init_lora_weights": "pissa_niter_4"},
    "olora": {"init_lora_weights": "olora"},
    "dora": {"use_dora": True},
    "eva": {"init_lora_weights": "eva", "eva_config": EVA},
    "loftq": {"init_lora_weights": "loftq", "loftq_config": peft.LoftQConfig(loftq_bits=4, loftq_iter=5)},
}
PROCESS = pathlib.Path("/proc/self")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--threads", type=int, default=0, help="0: what torch chooses")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    return parser.parse_args()


def quiet():
    warnings.filterwarnings("ignore")
    transformers.utils.logging.disable_progress_bar()


def show(model):
    """Starts EVA; how many batches its directions were found in."""
    vocabulary, forwards = model.config.vocab_size, []

    def forward(model, inputs):
        forwards.append(inputs)
        return model(**inputs)

    batches = [{"input_ids": torch.randint(0, vocabulary, (2, 256))} for _ in range(2)]
    peft.initialize_lora_eva_weights(model, batches, forward_fn=forward, show_progress_bar=False)
    return len(forwards) - 1


def peak_mib():
    line = next(line for line in (PROCESS / "status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def attach(options, method):
    """One start in this process; a word why not, where it does not run."""
    quiet()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    base = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    common = {"r": options.rank, "lora_alpha": options.rank, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    (PROCESS / "clear_refs").write_text("5")
    started, busy = time.perf_counter(), time.process_time()
    try:
        model = peft.get_peft_model(base, peft.LoraConfig(**common, **METHODS[method]))
        batches = show(model) if method == "eva" else 0
    except Exception as error:
        return {"skipped": f"{type(error).__name__}: {error}"}
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    return {"seconds": seconds, "processor": busy, "peak": peak_mib(), "trained": trained, "batches": batches}


def alone(options, method):
    """The same in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(attach, (options, method))


def main():
    quiet()
    options = arguments()
    results = {}
    for method in options.methods:
        rounds = [alone(options, method) for _ in range(options.rounds)]
        skipped = next((found["skipped"] for found in rounds if "skipped" in found), None)
        if skipped:
            results[method] = {"skipped": skipped}
            print(f"{method}: skipped, {skipped}")
            continue
        middle = {what: statistics.median(found[what] for found in rounds) for what in rounds[0]}
        results[method] = {
            "attach_seconds": round(middle["seconds"], 4),
            "attach_processor_seconds": round(middle["processor"], 4),
            "peak_resident_mib": round(middle["peak"]),
            "trained": int(middle["trained"]),
            "batches": int(middle["batches"]),
        }
        print(
            f"{method}: {middle['seconds']:.3f} s (processor {middle['processor']:.3f} s), "
            f"peak {middle['peak']:.0f} MiB resident, {middle['trained']:.0f} trained"
        )
    threads = options.threads or torch.get_num_threads()
    versions = {module.__name__: module.__version__ for module in [torch, transformers, peft]}
    print(json.dumps({**vars(options), "threads": threads, **versions, "results": results}))


if __name__ == "__main__":
    main()
