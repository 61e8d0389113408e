"""Seconds of merging a LoRA into its base with peft and writing the model, to hold `rankine merge` against.

    python merge.py MODEL ADAPTER OUTPUT [--threads N]
    python merge.py MODEL ADAPTER --make [--rank 32]     # only writes an adapter with random factors

Counted: loading the model and the adapter, merge_and_unload, save_pretrained; and apart from that Python's imports. Read
MODEL once before, so that it lies in the page cache.
"""

import time

BEGIN = time.perf_counter()

import argparse
import json
import resource
import shutil

import peft
import torch
import transformers

IMPORTED = time.perf_counter()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("adapter")
    parser.add_argument("output", nargs="?")
    parser.add_argument("--make", action="store_true", help="write ADAPTER with random factors and stop")
    parser.add_argument("--rank", type=int, default=32, help="of the adapter that --make writes")
    parser.add_argument("--threads", type=int, default=0, help="0: what torch chooses")
    return parser.parse_args()


def make(options):
    torch.manual_seed(0)
    base = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    config = peft.LoraConfig(r=options.rank, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    peft.get_peft_model(base, config).save_pretrained(options.adapter)


def main():
    transformers.utils.logging.disable_progress_bar()
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.make:
        return make(options)
    shutil.rmtree(options.output, ignore_errors=True)
    started = time.perf_counter()
    base = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    merged = peft.PeftModel.from_pretrained(base, options.adapter).merge_and_unload()
    merged.save_pretrained(options.output)
    seconds = time.perf_counter() - started
    result = {
        "seconds": round(seconds, 3),
        "seconds_with_imports": round(seconds + IMPORTED - BEGIN, 3),
        "import_seconds": round(IMPORTED - BEGIN, 3),
        "peak_resident_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "torch": torch.__version__,
        "peft": peft.__version__,
    }
    print(f"{seconds:.2f} s, {result['seconds_with_imports']:.2f} s with Python's imports")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
