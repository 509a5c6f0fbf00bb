"""Times parts of the model on request: one name a line on standard input, one JSON object a line on standard output.

Without requests (`python parts.py --all`) it times every part five times and prints the seconds as JSON.
"""

import json
import sys
import time

import torch

from cfr import AoaStack, AttentionOnAttention
from xvlm import Bert, Swin

BATCH = 8


def backward(module, forward):
    """One forward and backward pass; gradients are made anew, as in training."""

    def run():
        start = time.perf_counter()
        forward().sum().backward()
        seconds = time.perf_counter() - start
        module.zero_grad(set_to_none=True)
        return seconds

    return run


def aoa_stack(layers, dim):
    module = AoaStack(dim, layers, heads=8, dim_head=dim // 8)
    words, regions = torch.randn(BATCH, 50, dim), torch.randn(BATCH, 50, dim)
    return backward(module, lambda: torch.cat(module(words, regions), 1))


def swin_stage():
    stage = Swin(480, 15, 128, (2, 2, 18, 2), (4, 8, 16, 32), drop_path=0.0).layers[1]
    x = torch.randn(1, 60, 60, 256)
    return backward(stage, lambda: stage(x))


def aoa_block(*shape):
    block = AttentionOnAttention(shape[-1], heads=8, dim_head=shape[-1] // 8, dropout=0.4)
    x = torch.randn(*shape)
    return backward(block, lambda: block(x))


def cross_attention_layer(states, attention_dropout):
    bert = Bert(100, 768, 1, 12, 3072, 512, 0, 1024, dropout=0.0)
    for module in bert.modules():
        if hasattr(module, "query"):
            module.dropout.p = attention_dropout
    ids, image = torch.randint(1, 100, (BATCH, 40)), torch.randn(BATCH, states, 1024)
    return backward(bert, lambda: bert(ids, torch.ones_like(ids), image))


def optimizer(make):
    """Clipping by the global norm and one step over the parameters of the answer decoder's BERT."""
    bert = Bert(30522, 768, 6, 12, 3072, 512, 0, 768)
    parameters = list(bert.parameters())
    optimizer = make(parameters)

    def run():
        for parameter in parameters:
            parameter.grad = parameter.detach() * 0.01
        start = time.perf_counter()
        torch.nn.utils.clip_grad_norm_(parameters, 0.25)
        optimizer.step()
        return time.perf_counter() - start

    return run


PARTS = {
    "aoa-stack-24gb": lambda: aoa_stack(4, 768),
    "aoa-stack-48gb": lambda: aoa_stack(6, 1024),
    "swin-stage": swin_stage,
    "cross-attention-layer": lambda: cross_attention_layer(226, 0.0),
    "attention-50": lambda: aoa_block(BATCH, 50, 768),
    "attention-50-efficient": lambda: aoa_block(BATCH, 50, 768),
    "attention-901": lambda: cross_attention_layer(901, 0.1),
    "attention-901-efficient": lambda: cross_attention_layer(901, 0.1),
    "attention-2048": lambda: aoa_block(1, 2048, 512),
    "attention-2048-efficient": lambda: aoa_block(1, 2048, 512),
    "adamax-step": lambda: optimizer(lambda p: torch.optim.Adamax(p, lr=1e-3)),
    "adamw-step": lambda: optimizer(lambda p: torch.optim.AdamW(p, lr=1e-4, betas=(0.9, 0.98), weight_decay=0.01)),
}


def main():
    torch.manual_seed(0)
    torch.set_num_threads(2)
    if "--all" in sys.argv:
        seconds = {}
        for part, make in PARTS.items():
            run = make()
            run()
            seconds[part] = [run() for _ in range(5)]
        print(json.dumps(seconds))
        return
    made = {}
    for line in sys.stdin:
        part = line.strip()
        run = made.get(part) or made.setdefault(part, PARTS[part]())
        run()
        print(json.dumps({"part": part, "seconds": run()}), flush=True)


if __name__ == "__main__":
    main()
