"""Loads an exported X-VLM or fine branch into the PyTorch model, strictly, and compares what it computes with a golden case.

The tests leave their exports in the folder of the build:

    cargo test --workspace --test suite golden_weights
    golden=tests/golden exported=target/tmp/exported peer=tests/benches/peer
    python $peer/strict.py $golden/xvlm_vqa.safetensors $exported/xvlm_vqa.safetensors
    python $peer/strict.py $golden/fine_branch.safetensors $exported/fine_branch.safetensors

It needs PyTorch, and `cfr.py` and `xvlm.py` beside it.
"""

import json
import struct
import sys

import numpy
import torch

import cfr
import xvlm

DTYPES = {"F32": numpy.float32, "I64": numpy.int64}


def read(path):
    """Metadata and tensors of a safetensors file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__", {})

    def tensor(info):
        start, end = info["data_offsets"]
        values = numpy.frombuffer(data[start:end], DTYPES[info["dtype"]])
        return torch.from_numpy(values.copy()).reshape(info["shape"])

    return metadata, {name: tensor(info) for name, info in header.items()}


def sizes(config, keys):
    return [json.loads(config[key]) for key in keys.split()]


def build_xvlm(config):
    """The model of a case, with the buffers that the public model stores."""
    vision = xvlm.Swin(*sizes(config, "image_res window_size embed_dim depths num_heads"))
    keys = "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings"
    model = xvlm.XVlm(vision, *sizes(config, keys + " fusion_layer vision_width num_dec_layers"))
    for module in model.modules():
        module._non_persistent_buffers_set.clear()
        if isinstance(module, xvlm.Embeddings):
            (positions,) = sizes(config, "max_position_embeddings")
            module.register_buffer("position_ids", torch.arange(positions).expand(1, -1).clone())
    return model


def run_xvlm(model, given):
    question = given("question_ids", "question_mask")
    images = model.vision_encoder(*given("image"))
    (counts,) = given("answers_per_question")
    question_of = torch.arange(len(counts)).repeat_interleave(counts)
    answers = [*given("answer_ids", "answer_mask", "answer_weights"), question_of]
    return {
        "image_embeds": images,
        "question_states": model.text_encoder(*question, images),
        "loss": model.losses(images, question, answers).mean(),
    }


def build_fine_branch(config):
    keys = "ntoken emb_dim v_dim num_hid num_answers aoa_layers heads dim_head gamma omega_q omega_v"
    return cfr.FineBranch(*sizes(config, keys))


def run_fine_branch(model, given):
    return {"logits": model(*given("question", "v", "entities", "semantic_words"))}


def main(golden, exported):
    config, case = read(golden)
    _, state_dict = read(exported)
    fine = "omega_q" in config
    build, run = (build_fine_branch, run_fine_branch) if fine else (build_xvlm, run_xvlm)
    model = build(config).eval()
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    model.load_state_dict(state_dict, strict=True)
    print(f"{len(state_dict)} tensors, loaded strictly")
    for name, value in buffers.items():
        assert torch.equal(model.get_buffer(name), value), name
    print(f"{len(buffers)} buffers, equal to those PyTorch computes")
    with torch.no_grad():
        outputs = run(model, lambda *names: [case[f"input.{name}"] for name in names])
    for name, output in outputs.items():
        difference = (output - case[f"output.{name}"]).abs().max().item()
        print(f"{name}: differs from the golden numbers by {difference:.1e}")
        assert difference < 1e-4, name


if __name__ == "__main__":
    main(*sys.argv[1:])
