"""Whole training steps at full size: `python training_step.py MICRO_BATCH STEPS`, result as JSON."""

import json
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

from cfr import FineBranch
from xvlm import XVlm

WORDS, ANSWERS, QUESTION, ANSWER_TOKENS, ANSWERS_PER_QUESTION = 20_000, 3_129, 40, 6, 2


class Vqa(nn.Module):
    def __init__(self):
        super().__init__()
        self.xvlm = XVlm.base()
        self.fine = FineBranch(WORDS, 300, 1024, 768, ANSWERS, 4, 8, 96, 2, dropout=0.4)

    def losses(self, batch):
        states = self.xvlm.vision_encoder(batch["images"])
        coarse = self.xvlm.losses(states, batch["question"], batch["answers"])
        logits = self.fine(batch["words"], states[:, 1:])
        fine = F.binary_cross_entropy_with_logits(logits, batch["targets"], reduction="none").sum(1)
        return coarse + fine


def batch_of(samples):
    answers = samples * ANSWERS_PER_QUESTION
    question = torch.randint(1, 30_522, (samples, QUESTION))
    answer = torch.randint(1, 30_522, (answers, ANSWER_TOKENS))
    question_of = torch.arange(samples).repeat_interleave(ANSWERS_PER_QUESTION)
    return {
        "images": torch.randn(samples, 3, 480, 480),
        "question": (question, torch.ones_like(question)),
        "answers": (answer, torch.ones_like(answer), torch.full((answers,), 0.5), question_of),
        "words": torch.randint(0, WORDS, (samples, QUESTION)),
        "targets": torch.zeros(samples, ANSWERS).index_fill(1, torch.tensor([5]), 1.0),
    }


def undecayed(name, parameter):
    return "bias" in name or "norm" in name.lower()


def optimizers(model):
    named = [(n, p) for n, p in model.xvlm.named_parameters()]
    groups = [
        {"params": [p for n, p in named if undecayed(n, p) == plain], "weight_decay": 0.0 if plain else 0.01}
        for plain in (False, True)
    ]
    trained = [p for p in model.fine.parameters() if p.requires_grad]
    return torch.optim.Adamax(trained, lr=2.5e-4), torch.optim.AdamW(groups, lr=5e-5, betas=(0.9, 0.98))


def main():
    samples, steps = int(sys.argv[1]), int(sys.argv[2])
    torch.manual_seed(0)
    torch.set_num_threads(2)
    model = Vqa()
    model.train()
    adamax, adamw = optimizers(model)
    parameters = list(model.parameters())
    batch = batch_of(samples)

    def step():
        start = time.perf_counter()
        model.losses(batch).mean().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 0.25)
        adamax.step()
        adamw.step()
        model.zero_grad(set_to_none=True)
        return time.perf_counter() - start

    seconds = [step() for _ in range(steps)]
    result = {
        "parameters": {
            "vision_encoder": count(model.xvlm.vision_encoder),
            "text_encoder": count(model.xvlm.text_encoder),
            "text_decoder": count(model.xvlm.text_decoder),
            "fine": count(model.fine),
        },
        "seconds": seconds,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    if "--profile" in sys.argv:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            step()
        print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=12), file=sys.stderr)
    print(json.dumps(result))


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


if __name__ == "__main__":
    main()
