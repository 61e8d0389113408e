"""Seconds that peft takes to start PiSSA on every linear layer, to hold our own figure against.

    python pissa_attach.py MODEL [--rounds 5] [--threads N] [--rank 16]

MODEL is a folder that transformers reads. For `pissa` and `pissa_niter_4`, in turn, three figures, medians over the
rounds:

- attach: the whole of `get_peft_model` on a model that is loaded already, nothing taken off: walking the modules,
  allocating A and B, their first initialisation, the SVD, and the residual W - s·B·A. Loading is not in it.
- svd: `torch.linalg.svd(W, full_matrices=False)` or `torch.svd_lowrank(W, rank, niter=4)` on all the matrices, as
  peft calls them, and nothing else: the least that any program on torch would take.
- error: the mean of ‖W - W_r‖ / ‖W‖ over the matrices, from the residuals that peft keeps, as `bench attach` has it.

Beside each time stands that of the processor, over all threads. The last line is JSON.
"""

import argparse
import json
import statistics
import time
import warnings

import peft
import torch
import transformers


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--threads", type=int, default=0, help="0: what torch chooses")
    parser.add_argument("--inits", nargs="+", default=["pissa", "pissa_niter_4"], help="init_lora_weights of peft")
    parser.add_argument("--no-svd", action="store_true", help="leave out the second figure")
    return parser.parse_args()


def timed(work):
    """What `work` gives, with its seconds and those of the processor."""
    started, busy = time.perf_counter(), time.process_time()
    result = work()
    return result, (time.perf_counter() - started, time.process_time() - busy)


def attach(options, init):
    """The seconds of one start and its mean error."""
    base = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    before = {name: weight.detach().clone() for name, weight in base.named_parameters()}
    adapter = peft.LoraConfig(
        r=options.rank,
        lora_alpha=options.rank,
        target_modules="all-linear",
        init_lora_weights=init,
        task_type="CAUSAL_LM",
    )
    model, seconds = timed(lambda: peft.get_peft_model(base, adapter))
    errors = []
    for name, residual in model.base_model.model.named_parameters():
        if ".base_layer." in name:
            weight = before[name.replace(".base_layer.", ".")]
            errors.append((residual.double().norm() / weight.double().norm()).item())
    return seconds, errors


def decompose(options, init):
    """The seconds of the decompositions alone."""
    base = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    head = base.get_output_embeddings()
    linear = [m.weight.data for m in base.modules() if isinstance(m, torch.nn.Linear) and m is not head]
    if init == "pissa":
        return timed(lambda: [torch.linalg.svd(weight, full_matrices=False)[1] for weight in linear])[1]
    niter = int(init.split("_niter_")[1])
    return timed(lambda: [torch.svd_lowrank(weight, options.rank, niter=niter)[1] for weight in linear])[1]


def main():
    warnings.filterwarnings("ignore")
    transformers.utils.logging.disable_progress_bar()
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    results = {init: {"attach": [], "svd": [], "errors": []} for init in options.inits}
    for _ in range(options.rounds):
        for init, result in results.items():
            seconds, errors = attach(options, init)
            result["attach"].append(seconds)
            result["errors"].append(statistics.mean(errors))
            result["matrices"] = len(errors)
            if not options.no_svd:
                result["svd"].append(decompose(options, init))
    summary = {}
    for init, result in results.items():
        figures = {"matrices": result["matrices"]}
        for what in ["attach", "svd"]:
            if result[what]:
                wall, processor = zip(*result[what])
                figures[f"{what}_seconds"] = round(statistics.median(wall), 4)
                figures[f"{what}_fastest_seconds"] = round(min(wall), 4)
                figures[f"{what}_processor_seconds"] = round(statistics.median(processor), 4)
        figures["error"] = round(statistics.median(result["errors"]), 7)
        summary[init] = figures
        svd = f", the SVDs alone {figures['svd_seconds']:.3f} s" if result["svd"] else ""
        print(
            f"{init}: {figures['attach_seconds']:.3f} s (processor {figures['attach_processor_seconds']:.3f} s){svd}, "
            f"error {figures['error']:.6f}"
        )
    versions = {module.__name__: module.__version__ for module in [torch, transformers, peft]}
    print(json.dumps({**vars(options), "threads": torch.get_num_threads(), **versions, "results": summary}))


if __name__ == "__main__":
    main()
