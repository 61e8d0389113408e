"""Seconds per training step of LoRA with torch and peft, to hold our own figure against.

    python lora_step.py MODEL [--steps 10] [--dtype float32] [--threads N] ...

    python lora_step.py MODEL --train all             # full fine-tuning instead

MODEL is a folder that transformers reads. A step is forward, backward and AdamW on one batch of random tokens, all of
them scored; rank 16 on every linear layer but the head. Printed: the medians over the steps after the warm-up, tokens a
second, the largest resident memory of the process, and one line of JSON with all of it.
"""

import argparse
import json
import resource
import statistics
import time
import warnings

import peft
import torch
import transformers


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--steps", type=int, default=10, help="steps that are measured")
    parser.add_argument("--warmup", type=int, default=2, help="steps before them")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--length", type=int, default=256, help="tokens of an example")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--init", default="true", help="`true`, `pissa`, …: init_lora_weights of peft")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="of the frozen weights")
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    parser.add_argument("--threads", type=int, default=0, help="0: what torch chooses")
    parser.add_argument("--train", choices=["lora", "all"], default="lora", help="what is trained")
    parser.add_argument("--checkpointing", action="store_true", help="recompute each block in the backward pass")
    return parser.parse_args()


def build(options):
    base = transformers.AutoModelForCausalLM.from_pretrained(
        options.model, dtype=getattr(torch, options.dtype), attn_implementation=options.attention
    )
    base.config.use_cache = False
    if options.checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        base.enable_input_require_grads()
    if options.train == "all":
        return base.train()
    init = True if options.init == "true" else options.init
    adapter = peft.LoraConfig(
        r=options.rank,
        lora_alpha=options.rank,
        target_modules="all-linear",
        init_lora_weights=init,
        task_type="CAUSAL_LM",
    )
    return peft.get_peft_model(base, adapter).train()


def measure(model, options):
    """Seconds of forward, backward, update and, over all threads, of the processor, by step; and the losses."""
    torch.manual_seed(0)
    tokens = torch.randint(0, model.config.vocab_size, (options.batch, options.length))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    phases, losses = [], []
    for step in range(options.warmup + options.steps):
        busy = time.process_time()
        marks = [time.perf_counter()]
        loss = model(input_ids=tokens, labels=tokens).loss
        marks.append(time.perf_counter())
        loss.backward()
        marks.append(time.perf_counter())
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        marks.append(time.perf_counter())
        losses.append(loss.item())
        if step >= options.warmup:
            phases.append([after - before for before, after in zip(marks, marks[1:])] + [time.process_time() - busy])
    return phases, losses


def main():
    warnings.filterwarnings("ignore")
    transformers.utils.logging.disable_progress_bar()
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    model = build(options)
    phases, losses = measure(model, options)
    steps = [sum(phase[:3]) for phase in phases]
    median = statistics.median(steps)
    forward, backward, update, processor = (statistics.median(column) for column in zip(*phases))
    result = {
        **vars(options),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "trained": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        "seconds_per_step": round(median, 4),
        "fastest_seconds": round(min(steps), 4),
        "forward_seconds": round(forward, 4),
        "backward_seconds": round(backward, 4),
        "update_seconds": round(update, 4),
        "processor_seconds_per_step": round(processor, 4),
        "tokens_per_second": round(options.batch * options.length / median, 1),
        "peak_resident_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "first_loss": round(losses[0], 5),
        "last_loss": round(losses[-1], 5),
    }
    print(
        f"{median:.3f} s/step (forward {forward:.3f}, backward {backward:.3f}, AdamW {update:.3f}), "
        f"{result['tokens_per_second']} tokens/s, peak {result['peak_resident_mib']} MiB resident"
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
