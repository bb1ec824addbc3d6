"""A small GPT-2 with random weights, for what is too slow, too large or too well-behaved on the default model.

Written to methods-gpt2.json as a Hugging Face checkpoint (config, and tensors by the names that `save_pretrained` gives them), from which
tests/peer can write a folder. Its tokenizer splits at spaces: token i is written "t<i>", but for the special ones.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import torch

SEED = 20240
SPECIAL = {"<unk>": 0, "<eos>": 1, "<pad>": 2}
CONFIG = {
    "vocab_size": 96,
    "n_positions": 64,
    "n_embd": 32,
    "n_layer": 3,
    "n_head": 4,
    "activation_function": "gelu_new",
    "resid_pdrop": 0.0,
    "embd_pdrop": 0.0,
    "attn_pdrop": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
# An end token comes first, as GPT-2's prompts may begin: Inseq's baseline keeps it.
PROMPT = [1, 17, 42, 8, 77, 23, 42, 61, 5]
OUTPUTS = [33, 87, 26, 23]
# For contrastive functions: other targets (one is the same), and another, shorter prompt.
CONTRAST = [87, 83, 26, 68]
CONTRAST_PROMPT = [1, 90, 23, 42, 61, 5]


def build(dropout: float = 0.0):
    """The model, the same at every call. Weights far from their usual scale keep its outputs from being flat."""
    from transformers import GPT2Config, GPT2LMHeadModel

    rates = {name: dropout for name in CONFIG if name.endswith("_pdrop")}
    model = GPT2LMHeadModel(GPT2Config(**{**CONFIG, **rates}, attn_implementation="eager"))
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            parameter.normal_(generator=generator)
            if "ln_" in name:
                parameter.mul_(0.1).add_(1.0 if name.endswith("weight") else 0.0)
            elif name.endswith("bias"):
                parameter.mul_(0.1)
            else:
                parameter.mul_(0.4 if "wte" in name else 0.2)
    return model.eval()


def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = {**SPECIAL, **{f"t{i}": i for i in range(len(SPECIAL), CONFIG["vocab_size"])}}
    inner = Tokenizer(models.WordLevel(names, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", bos_token="<eos>", eos_token="<eos>", pad_token="<pad>"
    )


def text(ids: list[int]) -> str:
    special = {value: key for key, value in SPECIAL.items()}
    return " ".join(special.get(identifier, f"t{identifier}") for identifier in ids)


def load(dropout: float = 0.0, double: bool = False):
    """As Inseq's model."""
    import inseq

    model = inseq.load_model(build(dropout), "saliency", tokenizer=tokenizer(), device="cpu")
    return model.double() if double else model


def write(path: Path) -> None:
    from safetensors.torch import load_file
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        build().save_pretrained(folder)
        tensors = load_file(f"{folder}/model.safetensors")
        config = json.loads(Path(folder, "config.json").read_text())
    content = {
        "about": "made by tests/goldens/gpt2.py; tensors are little-endian float32 in base64",
        "config": config,
        "tensors": {
            name: {"shape": list(tensor.shape), "data": base64.b64encode(tensor.numpy().astype("<f4").tobytes()).decode()}
            for name, tensor in sorted(tensors.items())
        },
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
