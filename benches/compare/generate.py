"""Tokens per second of greedy generation with transformers, to hold our own figure against.

    python generate.py MODEL [--dtype float32] [--tokens 64] [--rounds 5] [--threads N]

MODEL is a folder that transformers reads. 32 tokens of prompt, then greedy tokens with a key/value cache, one text at a
time; the time of the prompt is not counted. Printed: the median over the rounds, and one line of JSON.
"""

import argparse
import json
import resource
import statistics
import time

import torch
import transformers


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: what torch chooses")
    return parser.parse_args()


def timed(model, prompt, tokens):
    started = time.perf_counter()
    with torch.no_grad():
        model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False
        )
    return time.perf_counter() - started


def main():
    transformers.utils.logging.disable_progress_bar()
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    model = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=getattr(torch, options.dtype)).eval()
    prompt = torch.arange(32).unsqueeze(0) * 7 + 100
    timed(model, prompt, 8)
    # The difference of a long and a one-token answer is the time of the tokens after the first.
    seconds = [
        (timed(model, prompt, options.tokens) - timed(model, prompt, 1)) / (options.tokens - 1)
        for _ in range(options.rounds)
    ]
    median = statistics.median(seconds)
    print(f"{1 / median:.1f} tokens/s")
    print(
        json.dumps(
            {
                **vars(options),
                "threads": torch.get_num_threads(),
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "tokens_per_second": round(1 / median, 2),
                "seconds": round(median, 5),
                "peak_resident_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            }
        )
    )


if __name__ == "__main__":
    main()
