"""Compares the peer with the golden numbers: `python check.py ../../../../tests/golden`."""

import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open

from cfr import FineBranch
from xvlm import BUFFERS, Swin, XVlm


class Case:
    def __init__(self, folder, name):
        with safe_open(folder / f"{name}.safetensors", "pt") as file:
            self.tensors = {key: file.get_tensor(key) for key in file.keys()}
            self.config = file.metadata()
        cases = json.loads((folder / "index.json").read_text())["cases"]
        self.name, self.tolerance = name, next(c["tolerance"] for c in cases if c["name"] == name)

    def size(self, key):
        return json.loads(self.config[key])

    def weights(self):
        names = (key for key in self.tensors if key.startswith("weights.") and not key.endswith(BUFFERS))
        return {key.removeprefix("weights."): self.tensors[key] for key in names}

    def compare(self, key, kind, found):
        stored, allowed = self.tensors[key], self.tolerance[kind]
        error = (found - stored).abs().max().item()
        limit = allowed["abs"] + allowed["rel"] * stored.abs().max().item()
        assert error <= limit, f"{self.name} {key}: {error} instead of at most {limit}"

    def compare_gradients(self, model):
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                self.compare(f"grad.{name}", "grad", parameter.grad)


def fine_branch(folder):
    case = Case(folder, "fine_branch")
    sizes = ("ntoken", "emb_dim", "v_dim", "num_hid", "num_answers", "aoa_layers", "heads", "dim_head", "gamma")
    model = FineBranch(*map(case.size, sizes), case.size("omega_q"), case.size("omega_v"))
    model.load_state_dict(case.weights(), strict=True)
    model.eval()
    inputs = (case.tensors[f"input.{key}"] for key in ("question", "v", "entities", "semantic_words"))
    logits = model(*inputs)
    case.compare("output.logits", "forward", logits)
    (logits * case.tensors["cotangent"]).sum().backward()
    case.compare_gradients(model)


def xvlm(folder):
    case = Case(folder, "xvlm_vqa")
    vision = Swin(*map(case.size, ("image_res", "window_size", "embed_dim", "depths", "num_heads")), drop_path=0.0)
    sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    sizes += ("max_position_embeddings", "fusion_layer", "vision_width", "num_dec_layers")
    model = XVlm(vision, *map(case.size, sizes))
    model.load_state_dict(case.weights(), strict=True)
    model.eval()
    tensor = {key.removeprefix("input."): case.tensors[key] for key in case.tensors if key.startswith("input.")}
    states = model.vision_encoder(tensor["image"])
    case.compare("output.image_embeds", "forward", states)
    question_of = torch.arange(len(tensor["question_ids"])).repeat_interleave(tensor["answers_per_question"])
    answers = (tensor["answer_ids"], tensor["answer_mask"], tensor["answer_weights"], question_of)
    loss = model.losses(states, (tensor["question_ids"], tensor["question_mask"]), answers).mean()
    case.compare("output.loss", "forward", loss)
    (loss * case.tensors["cotangent"]).backward()
    case.compare_gradients(model)


if __name__ == "__main__":
    for check in (fine_branch, xvlm):
        check(Path(sys.argv[1]))
        print(f"{check.__name__}: equal within the golden tolerances")
