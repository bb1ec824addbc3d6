"""Real Inseq 0.7.1 for the tests: files that it writes, and what it makes of ours.

    theirs <folder>       attributions of small random models, saved in every way that Inseq has
    resave <in> <out>     loads every file of a folder and saves it again

Each prints JSON. Scores in it are {"shape", "bits"}: float32 as base64, as torch holds them.
"""

from __future__ import annotations

import base64
import json
import logging
import sys
from copy import deepcopy
from pathlib import Path

import inseq
import torch
from inseq import FeatureAttributionOutput
from inseq.utils import json_advanced_dump
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

logging.disable(logging.WARNING)
PROMPTS = ["Café 🙂 at", "A b"]
TEXTS = ["Café 🙂 at né\n", "A b c"]


def tokenizer():
    """Each byte a token, as GPT-2 spells them."""
    symbols = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = {symbol: i for i, symbol in enumerate(["<|endoftext|>", "<pad>", *symbols])}
    inner = Tokenizer(models.BPE(names, [], unk_token=None))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    special = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<pad>"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, **special)


def decoder_only():
    torch.manual_seed(11)
    config = GPT2Config(
        vocab_size=258, n_positions=64, n_embd=8, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0, pad_token_id=1
    )
    model = GPT2LMHeadModel._from_config(config, attn_implementation="eager").eval()
    return inseq.load_model(model, "saliency", tokenizer=tokenizer(), device="cpu")


def encoder_decoder():
    torch.manual_seed(12)
    config = BartConfig(
        vocab_size=258,
        d_model=8,
        max_position_embeddings=64,
        **dict.fromkeys(("encoder_layers", "decoder_layers"), 1),
        **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2),
        **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 8),
        **dict.fromkeys(("bos_token_id", "eos_token_id", "decoder_start_token_id", "forced_eos_token_id"), 0),
        pad_token_id=1,
    )
    model = BartForConditionalGeneration._from_config(config, attn_implementation="eager").eval()
    return inseq.load_model(model, "saliency", tokenizer=tokenizer(), device="cpu")


def theirs(folder: Path) -> dict:
    folder.mkdir()
    written = {}

    def put(name: str, out: FeatureAttributionOutput, known: FeatureAttributionOutput | None = None, **options) -> None:
        path = folder / f"{name}_inseq.json"
        out.save(path, **options)
        written[path.name] = described(known or out)

    model = decoder_only()
    scores = {"step_scores": ["probability", "entropy"], "show_progress": False}
    out = model.attribute(PROMPTS, TEXTS, **scores)
    put("saliency", out)
    put("compressed", out, compress=True)
    put("lists", out, ndarray_compact=False)
    put("primitives", out, use_primitives=True)
    for name, precision, dtype in (("half", "float16", torch.float16), ("eighth", "float8", torch.float8_e4m3fn)):
        put(name, out, known=rounded(out, dtype), scores_precision=precision)
    put("aggregated", out.aggregate())
    put("words", out.aggregate(["scores", "subwords"], special_chars=("Ġ", "Ċ")))
    for name, compact in (("arrays", True), ("arrays-lists", False)):  # as Inseq 0.6 saves
        with open(folder / f"{name}_inseq.json", "w") as file:
            json_advanced_dump(out, file, allow_nan=True, indent=4, sort_keys=True, ndarray_compact=compact)
        written[f"{name}_inseq.json"] = described(out)
    put("steps", model.attribute(PROMPTS[0], TEXTS[0], output_step_attributions=True, **scores))
    put("part", model.attribute(PROMPTS[0], TEXTS[0], attr_pos_start=14, attr_pos_end=17, **scores))
    path = {"method": "integrated_gradients", "n_steps": 3, "return_convergence_delta": True}
    put("deltas", model.attribute(PROMPTS[0], TEXTS[0], **path, **scores))
    put("attention", model.attribute(PROMPTS, TEXTS, method="attention", show_progress=False))
    put("generated", model.attribute(PROMPTS[0], method="occlusion", generation_args={"max_new_tokens": 3}, **scores))

    model = encoder_decoder()
    put("translation", model.attribute(PROMPTS, TEXTS, attribute_target=True, **scores))
    put("source", model.attribute(PROMPTS, TEXTS, method="attention", show_progress=False))
    return written


def rounded(out: FeatureAttributionOutput, dtype: torch.dtype) -> FeatureAttributionOutput:
    copy = deepcopy(out)
    for sequence in copy.sequence_attributions:
        sequence.target_attributions = sequence.target_attributions.to(dtype).float()
        sequence.step_scores = {name: value.to(dtype).float() for name, value in sequence.step_scores.items()}
    return copy


def described(out: FeatureAttributionOutput) -> dict:
    return {
        "info": out.info,
        "sequences": [
            {
                "kind": type(sequence).__name__,
                "source": [[token.token, token.id] for token in sequence.source],
                "target": [[token.token, token.id] for token in sequence.target],
                "start": sequence.attr_pos_start,
                "end": sequence.attr_pos_end,
                "source_attributions": bits(sequence.source_attributions),
                "target_attributions": bits(sequence.target_attributions),
                "step_scores": {name: bits(value) for name, value in sequence.step_scores.items()},
                "sequence_scores": list(sequence.sequence_scores),
            }
            for sequence in out.sequence_attributions
        ],
    }


def bits(tensor: torch.Tensor | None):
    if tensor is None:
        return None
    data = tensor.float().contiguous().numpy().tobytes()
    return {"shape": list(tensor.shape), "bits": base64.b64encode(data).decode()}


def load(path: Path) -> FeatureAttributionOutput:
    return FeatureAttributionOutput.load(path, decompress=path.read_bytes()[:2] == b"\x1f\x8b")


def resave(source: Path, target: Path) -> dict:
    target.mkdir()
    found = {}
    for path in sorted(source.iterdir()):
        out = load(path)
        found[path.name] = described(out)
        # What Inseq shows: its own aggregation and drawing must take what was loaded.
        found[path.name]["shown"] = out.show(display=False, return_html=True) is not None
        out.save(target / path.name, compress=path.suffix == ".gz")
    return found


if __name__ == "__main__":
    command, *folders = sys.argv[1:]
    result = {"theirs": theirs, "resave": resave}[command](*map(Path, folders))
    print(json.dumps(result))
