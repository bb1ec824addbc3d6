# /// script
# requires-python = ">=3.10"
# dependencies = ["torch==2.13.0", "transformers==5.23.0", "gguf==0.19.0", "accelerate==1.15.0", "safetensors"]
# ///
"""What transformers makes of a changed setting, for tests/models/settings-peer.test.ts: of models of families.py each field of config.json is
changed in turn, the weights left as they are.

    .venv/bin/python tests/goldens/settings.py          # see families.py

Of each change: the first logits at the end of one text, or null where transformers refuses it, or lacks weights for it.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM

from families import rounded, uniform, write_folder
from family_configs import FAMILIES

OUT = Path(__file__).parent / "settings.json"
TEXT = 29
KEPT = 12
NAMES = [
    "llama",
    "llama 3.1",
    "mistral with a window",
    "qwen2 with a window in later layers",
    "qwen3",
    "phi3",
    "phi3 beyond its original context",
    "gemma2",
    "gemma3",
    "olmo2",
    "stablelm",
    "mixtral",
    "qwen2 moe",
    "qwen3 moe",
    "gpt2",
    "opt",
    "gpt-neox one after the other, without biases",
    "falcon 7b: one key and value for all",
    "falcon 40b: groups, two norms",
    "falcon rw: ALiBi, biases, one after the other",
    "bloom",
]
# transformers' rotary scalings read a head's width of Mixtral's settings, where null is no number.
ALSO = {"mixtral": {"head_dim": 8}}
# What a file is, and what transformers chooses a class by.
SKIPPED = {"architectures", "model_type", "dtype", "torch_dtype", "transformers_version", "is_encoder_decoder", "id2label", "label2id"}
ACTIVATIONS = ["gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "quick_gelu", "relu", "relu2", "silu", "swish", "sigmoid", "tanh", "mish"]
SHORT, LONG = [1.0, 1.5, 2.0, 4.0], [2.0, 4.0, 8.0, 16.0]
SCALINGS = [
    {"type": "linear", "factor": 3.0},
    {"rope_type": "dynamic", "factor": 3.0},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 20.0, "attention_factor": 0.9},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "mscale": 1.0, "mscale_all_dim": 0.7, "truncate": False},
    {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16},
    {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0},
    {"type": "longrope", "short_factor": SHORT, "long_factor": LONG, "original_max_position_embeddings": 16},
    {"type": "longrope", "short_factor": SHORT, "long_factor": LONG, "original_max_position_embeddings": 16, "factor": 1.0},
    {"type": "su", "short_factor": SHORT, "long_factor": LONG},
    {"type": "yarn", "short_factor": SHORT, "long_factor": LONG},
    {"rope_type": "proportional", "factor": 2.0, "partial_rotary_factor": 0.5},
    {"rope_type": "unheard_of", "factor": 2.0},
    {"type": "mrope", "mrope_section": [1, 1, 2]},
]
# Settings of other architectures: a family may know them, and others must not do as if they did.
FOREIGN = {
    "attention_bias": [True],
    "mlp_bias": [True],
    "use_bias": [True],
    "qkv_bias": [True, False],
    "lm_head_bias": [True],
    "hidden_activation": ["gelu", "quick_gelu"],
    "layer_types": ["alternate", "unheard_of"],
    "sliding_window": [5],
    "use_sliding_window": [True],
    "sliding_window_pattern": [2],
    "no_rope_layers": [[1, 0, 1]],
    "partial_rotary_factor": [0.5],
    "rope_theta": [500.0],
    "rope_scaling": SCALINGS,
    "original_max_position_embeddings": [20],
    "head_dim": [16],
    "logit_scale": [0.5],
    "logits_scaling": [2.0],
    "embedding_multiplier": [2.0],
    "residual_multiplier": [0.5],
    "attention_multiplier": [0.5],
    "attn_logit_softcapping": [3.0],
    "final_logit_softcapping": [3.0],
    "query_pre_attn_scalar": [20],
    "clip_qkv": [0.5],
    "alibi": [True],
    "qk_layernorm": [True],
    "use_qk_norm": [True],
    "use_parallel_residual": [True, False],
    "num_local_experts": [3],
    "num_experts": [3],
    "decoder_sparse_step": [2],
    "mlp_only_layers": [[1]],
    "norm_topk_prob": [True, False],
    "shared_expert_intermediate_size": [12],
    "tie_word_embeddings": [True, False],
    "add_cross_attention": [True],
    "use_bidirectional_attention": [True],
    "is_causal": [False],
    "some_tool_version": ["1.0"],
    "quantization_config": [{"quant_method": "bitsandbytes", "load_in_4bit": True}],
}


def changed(key: str, value) -> list:
    """Values of its kind that are others."""
    if key in ("hidden_act", "activation_function", "activation", "hidden_activation"):
        return [name for name in ACTIVATIONS if name != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1] if value < 2 else [value + 1, value // 2]
    if isinstance(value, float):
        return [value * 3 + 0.5]
    if isinstance(value, str):
        return [value + "_2"]
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return [value[::-1]]
    return []


def changes(config: dict) -> list[dict]:
    found = {key: changed(key, value) for key, value in config.items() if key not in SKIPPED and key != "rope_parameters"}
    for key, values in FOREIGN.items():
        found[key] = [*found.get(key, []), *(value for value in values if value != config.get(key))]
    layers = config.get("num_hidden_layers") or config.get("n_layer")
    kinds = {"alternate": ["full_attention", "sliding_attention"], "unheard_of": ["full_attention", "other_attention"]}
    made = []
    for key, values in found.items():
        for value in values:
            if key == "layer_types" and isinstance(value, str):
                value = [kinds[value][i % 2] for i in range(layers)]
            made.append({key: value})
    made += [{"rope_parameters": None, "rope_scaling": scaling} for scaling in SCALINGS if config.get("rope_parameters")]
    rope = config.get("rope_parameters") or {}
    nested = "full_attention" in rope
    for key, value in {"rope_theta": 700.0, "partial_rotary_factor": 0.5, "factor": 5.0, "attention_factor": 0.7, "unheard_of": 2.0}.items():
        made.append({"rope_parameters": {**rope, "full_attention": {**rope["full_attention"], key: value}} if nested else {**rope, key: value}})
    return made


def renamed(settings: dict) -> dict:
    """LongRoPE was "su" in Phi-3's first files: these ask for the same, and transformers takes them no more."""
    scaling = settings.get("rope_scaling")
    if settings["model_type"] != "phi3" or not scaling or scaling.get("type") != "su":
        return settings
    return {**settings, "rope_scaling": {**scaling, "type": "longrope"}}


def logits_of(folder: Path, attention: str, ids: torch.Tensor) -> list[float] | None:
    try:
        model, told = AutoModelForCausalLM.from_pretrained(folder, attn_implementation=attention, dtype=torch.float32, output_loading_info=True)
        if any(told[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")):
            return None
        with torch.no_grad():
            return model.eval()(input_ids=ids, use_cache=False).logits[0, -1, :KEPT].tolist()
    except Exception as error:  # whatever it says, there is nothing to agree with
        return None


def main() -> None:
    transformers.logging.set_verbosity(50)
    transformers.logging.disable_progress_bar()
    content = []
    for family in (next(family for family in FAMILIES if family.name == name) for name in NAMES):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_folder(family, folder)
            config = json.loads((folder / "config.json").read_text()) | ALSO.get(family.name, {})
            ids = torch.tensor([[int(i) for i in (uniform(1000 + TEXT, TEXT) + 1) / 2 * config["vocab_size"]]])
            of = []
            for change in [{}, *changes(config)]:
                # A null takes the place of what was there; what transformers would do with one is another matter.
                settings = {key: value for key, value in {**config, **change}.items() if value is not None or key not in change}
                (folder / "config.json").write_text(json.dumps(renamed(settings)))
                attention = "sdpa" if change.get("alibi") else family.attention  # family_configs.py says why
                of.append({"change": change, "logits": logits_of(folder, attention, ids)})
            assert of[0]["logits"], f"{family.name}: transformers does not load the model itself"
            content.append({"name": family.name, "also": ALSO.get(family.name, {}), "changes": of})
            print(family.name, len(of), sum(one["logits"] is None for one in of), flush=True)
    about = "made by tests/goldens/settings.py with transformers " + transformers.__version__
    OUT.write_text(rounded({"about": about, "text": TEXT, "families": content}) + "\n")


if __name__ == "__main__":
    main()
