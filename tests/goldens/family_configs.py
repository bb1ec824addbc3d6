"""The small models of families.py: settings as transformers has them, and what llama.cpp's converter would make of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Callable

COMMON = {"vocab_size": 48, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None, "dtype": "float32"}
SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40, "max_position_embeddings": 64}
DECODER = {**COMMON, **SIZES, "num_key_value_heads": 2}

Recipe = list


@dataclass
class Gguf:
    architecture: str
    metadata: dict
    recipe: Callable[[str], Recipe] = lambda name: ["same"]
    # (name of the tensor of all experts, expert) of an expert's tensor
    experts: Callable[[str], tuple[str, int] | None] | None = None
    # matrices of one row become vectors
    flattened: Callable[[str], bool] = lambda name: False
    extra: dict = field(default_factory=dict)
    read_by_transformers: bool = True


@dataclass
class Family:
    name: str
    model_type: str
    config: dict
    gguf: Gguf | None = None
    norms_from_zero: bool = False
    attention: str = "eager"
    # Texts of more tokens than this have other positions: no batch may hold both.
    switch: int = 0

    # Beside the text model's settings, of a model that has more parts.
    parts: dict | None = None

    @property
    def settings(self) -> dict:
        return self.config if self.parts is None else {**self.parts, "text_config": self.config}

    @property
    def config_layers(self) -> int:
        return self.config.get("num_hidden_layers") or self.config["n_layer"]


def sizes(**more) -> dict:
    return {
        "block_count": 3,
        "context_length": 64,
        "embedding_length": 32,
        "feed_forward_length": 40,
        "attention.head_count": 4,
        **more,
    }


def rms(**more) -> dict:
    return sizes(**{"attention.head_count_kv": 2, "attention.layer_norm_rms_epsilon": 1e-6, "rope.freq_base": 10000.0, **more})


def layer_norm(**more) -> dict:
    return sizes(**{"attention.layer_norm_epsilon": 1e-5, **more})


def interleave(name: str) -> Recipe:
    if "q_proj" in name:
        return ["interleave", 4]
    return ["interleave", 2] if "k_proj" in name else ["same"]


def plus(name: str) -> Recipe:
    return ["plus"] if "norm" in name else ["same"]


def ungroup(groups: int, queries: int) -> Callable[[str], Recipe]:
    return lambda name: ["ungroup", groups, queries] if "query_key_value" in name else ["same"]


def expert(pattern: str, names: dict[str, str]):
    def made(name: str):
        found = re.fullmatch(pattern, name)
        return (f"{found[1]}.experts.{names[found[3]]}" if names[found[3]] else found[1], int(found[2])) if found else None

    return made


MIXTRAL = expert(r"(model\.layers\.\d+\.block_sparse_moe)\.experts\.(\d+)\.(w[123])\.weight", {"w1": "w1", "w2": "w2", "w3": "w3"})
STABLELM_HEAD_NORMS = expert(r"(model\.layers\.\d+\.self_attn\.[qk]_layernorm)\.norms\.(\d+)\.(weight)", {"weight": ""})
QWEN_MOE = expert(
    r"(model\.layers\.\d+\.mlp)\.experts\.(\d+)\.(\w+)_proj\.weight", {"gate": "gate_proj", "up": "up_proj", "down": "down_proj"}
)
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


def llama3_divisors() -> list[float]:
    """What llama.cpp's converter writes to rope_freqs.weight, for heads of 8."""
    import math

    divisors = []
    for i in range(4):
        frequency = LLAMA3["rope_theta"] ** (-2 * i / 8)
        wavelength = 2 * math.pi / frequency
        original, low, high = 32, 1.0, 4.0
        if wavelength < original / high:
            divisors.append(1.0)
        elif wavelength > original / low:
            divisors.append(8.0)
        else:
            smooth = (original / wavelength - low) / (high - low)
            divisors.append(1 / ((1 - smooth) / 8.0 + smooth))
    return divisors


YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 16}
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}
SHORT, LONG = [1.0, 1.25, 1.5, 3.0], [1.0, 2.0, 8.0, 16.0]
LONGROPE = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": SHORT, "long_factor": LONG, "original_max_position_embeddings": 48}
PHI3_LONG_FACTOR = 1.0362  # sqrt(1 + ln(64 / 48) / ln 48), as converters write it

SMALL_VISION = {"image_size": 8, "patch_size": 4}

FAMILIES = [
    Family("llama", "llama", {**DECODER}, Gguf("llama", rms(**{"rope.dimension_count": 8}), interleave)),
    Family(
        "llama with attention biases, heads of their own size and no shared keys",
        "llama",
        {**DECODER, "num_key_value_heads": 4, "head_dim": 10, "attention_bias": True, "tie_word_embeddings": True},
    ),
    Family(
        "llama 3.1",
        "llama",
        {**DECODER, "rope_parameters": LLAMA3},
        Gguf(
            "llama",
            rms(**{"rope.dimension_count": 8, "rope.freq_base": 500.0}),
            interleave,
            extra={"rope_freqs.weight": llama3_divisors()},
        ),
    ),
    Family(
        "llama with YaRN",
        "llama",
        {**DECODER, "rope_parameters": YARN},
        Gguf(
            "llama",
            rms(**{"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 16}),
            interleave,
        ),
    ),
    Family(
        "llama with linear scaling",
        "llama",
        {**DECODER, "rope_parameters": LINEAR},
        Gguf("llama", rms(**{"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}), interleave),
    ),
    Family("mistral with a window", "mistral", {**DECODER, "sliding_window": 7}),
    Family("qwen2", "qwen2", {**DECODER}, Gguf("qwen2", rms())),
    Family(
        "qwen2 with a window in later layers",
        "qwen2",
        {**DECODER, "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1, "tie_word_embeddings": True},
    ),
    Family("qwen3", "qwen3", {**DECODER, "head_dim": 12}, Gguf("qwen3", rms(**{"attention.key_length": 12, "attention.value_length": 12}))),
    Family(
        "phi3",
        "phi3",
        {**DECODER, "rms_norm_eps": 1e-6, "sliding_window": 11, "original_max_position_embeddings": 64},
        Gguf("phi3", rms(**{"rope.dimension_count": 8, "attention.sliding_window": 11})),
    ),
    Family(
        "phi3 for long texts",
        "phi3",
        {**DECODER, "rms_norm_eps": 1e-6, "rope_parameters": LONGROPE, "original_max_position_embeddings": 48},
        Gguf(
            "phi3",
            rms(**{"rope.dimension_count": 8, "rope.scaling.original_context_length": 48}),
            extra={"rope_factors_short.weight": SHORT, "rope_factors_long.weight": LONG},
        ),
    ),
    Family(
        "phi3 beyond its original context",
        "phi3",
        {
            **DECODER,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {**LONGROPE, "original_max_position_embeddings": 12},
            "original_max_position_embeddings": 12,
        },
        Gguf(
            "phi3",
            rms(**{"rope.dimension_count": 8, "rope.scaling.original_context_length": 12}),
            extra={"rope_factors_short.weight": SHORT, "rope_factors_long.weight": LONG},
        ),
        switch=12,
    ),
    Family(
        "phi4 mini: a part of each head turns",
        "phi3",
        {**DECODER, "rms_norm_eps": 1e-6, "partial_rotary_factor": 0.75, "tie_word_embeddings": True, "original_max_position_embeddings": 64},
        Gguf("phi3", rms(**{"rope.dimension_count": 6})),
    ),
    Family(
        "gemma2",
        "gemma2",
        {**DECODER, "head_dim": 10, "query_pre_attn_scalar": 10, "sliding_window": 6, "attn_logit_softcapping": 4.0, "final_logit_softcapping": 5.0},
        Gguf(
            "gemma2",
            rms(
                **{
                    "attention.key_length": 10,
                    "attention.value_length": 10,
                    "attention.sliding_window": 6,
                    "attn_logit_softcapping": 4.0,
                    "final_logit_softcapping": 5.0,
                }
            ),
            plus,
        ),
        norms_from_zero=True,
    ),
    Family(
        "gemma3",
        "gemma3_text",
        {
            **DECODER,
            "num_hidden_layers": 7,
            "head_dim": 10,
            "query_pre_attn_scalar": 10,
            "sliding_window": 6,
            "rope_parameters": {
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
                "full_attention": {"rope_type": "linear", "rope_theta": 100000.0, "factor": 8.0},
            },
        },
        Gguf(
            "gemma3",
            rms(
                **{
                    "block_count": 7,
                    "attention.key_length": 10,
                    "attention.value_length": 10,
                    "attention.sliding_window": 6,
                    "rope.freq_base": 100000.0,
                    "rope.scaling.type": "linear",
                    "rope.scaling.factor": 8.0,
                }
            ),
            plus,
        ),
        norms_from_zero=True,
    ),
    Family(
        "gemma3 that sees pictures",
        "gemma3",
        {**DECODER, "head_dim": 10, "query_pre_attn_scalar": 10, "sliding_window": 6, "sliding_window_pattern": 2},
        norms_from_zero=True,
        parts={
            "vision_config": {**SMALL_VISION, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2},
            "mm_tokens_per_image": 4,
        },
    ),
    Family("olmo2", "olmo2", {**DECODER, "rms_norm_eps": 1e-6}, Gguf("olmo2", rms(), read_by_transformers=False)),
    Family(
        "stablelm",
        "stablelm",
        {**DECODER, "partial_rotary_factor": 0.5, "use_qkv_bias": True},
        Gguf("stablelm", layer_norm(**{"attention.head_count_kv": 2, "rope.dimension_count": 4, "rope.freq_base": 10000.0, "use_parallel_residual": False})),
    ),
    Family(
        "stablelm side by side",
        "stablelm",
        {**DECODER, "partial_rotary_factor": 0.25, "use_parallel_residual": True},
        Gguf("stablelm", layer_norm(**{"attention.head_count_kv": 2, "rope.dimension_count": 2, "use_parallel_residual": True})),
    ),
    Family(
        "stablelm 2 12b: side by side, norms of each head's queries and keys",
        "stablelm",
        {**DECODER, "partial_rotary_factor": 0.25, "use_parallel_residual": True, "qk_layernorm": True},
        Gguf(
            "stablelm",
            layer_norm(**{"attention.head_count_kv": 2, "rope.dimension_count": 2, "use_parallel_residual": True}),
            experts=STABLELM_HEAD_NORMS,
            read_by_transformers=False,
        ),
    ),
    Family(
        "mixtral",
        "mixtral",
        {**DECODER, "num_local_experts": 5, "num_experts_per_tok": 2, "rms_norm_eps": 1e-6},
        Gguf(
            "llama",
            rms(**{"rope.dimension_count": 8, "expert_count": 5, "expert_used_count": 2, "rope.freq_base": 1000000.0}),
            interleave,
            MIXTRAL,
            read_by_transformers=False,
        ),
    ),
    Family(
        "qwen2 moe",
        "qwen2_moe",
        {**DECODER, "moe_intermediate_size": 24, "shared_expert_intermediate_size": 28, "num_experts": 6, "num_experts_per_tok": 3},
        Gguf(
            "qwen2moe",
            rms(**{"expert_count": 6, "expert_used_count": 3, "expert_feed_forward_length": 24, "expert_shared_feed_forward_length": 28}),
            experts=QWEN_MOE,
            flattened=lambda name: "shared_expert_gate" in name,
        ),
    ),
    Family(
        "qwen2 moe with experts in every second layer",
        "qwen2_moe",
        {
            **DECODER,
            "num_hidden_layers": 4,
            "moe_intermediate_size": 24,
            "shared_expert_intermediate_size": 28,
            "num_experts": 6,
            "num_experts_per_tok": 3,
            "decoder_sparse_step": 2,
            "norm_topk_prob": True,
        },
    ),
    Family(
        "qwen3 moe with layers without experts",
        "qwen3_moe",
        {**DECODER, "head_dim": 12, "moe_intermediate_size": 24, "num_experts": 6, "num_experts_per_tok": 2, "mlp_only_layers": [0, 2]},
    ),
    Family(
        "qwen3 moe",
        "qwen3_moe",
        {**DECODER, "head_dim": 12, "moe_intermediate_size": 24, "num_experts": 6, "num_experts_per_tok": 2, "norm_topk_prob": True},
        Gguf(
            "qwen3moe",
            rms(
                **{
                    "attention.key_length": 12,
                    "attention.value_length": 12,
                    "expert_count": 6,
                    "expert_used_count": 2,
                    "expert_feed_forward_length": 24,
                }
            ),
            experts=QWEN_MOE,
        ),
    ),
    Family("gpt2", "gpt2", {**COMMON, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_inner": 40, "n_positions": 64}),
    Family(
        "opt",
        "opt",
        {**COMMON, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "ffn_dim": 40, "max_position_embeddings": 64, "word_embed_proj_dim": 32},
    ),
    Family(
        "opt 350m: norms after each part, narrow embeddings",
        "opt",
        {
            **COMMON,
            "hidden_size": 32,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "ffn_dim": 40,
            "max_position_embeddings": 64,
            "word_embed_proj_dim": 20,
            "do_layer_norm_before": False,
        },
    ),
    Family(
        "opt without biases and final norm",
        "opt",
        {
            **COMMON,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "ffn_dim": 40,
            "max_position_embeddings": 64,
            "enable_bias": False,
            "_remove_final_layer_norm": True,
        },
    ),
    Family(
        "gpt-neox",
        "gpt_neox",
        {**COMMON, **SIZES, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25}},
        Gguf("gptneox", layer_norm(**{"rope.dimension_count": 2, "use_parallel_residual": True}), ungroup(4, 1), read_by_transformers=False),
    ),
    Family(
        "gpt-neox one after the other, without biases",
        "gpt_neox",
        {
            **COMMON,
            **SIZES,
            "use_parallel_residual": False,
            "attention_bias": False,
            "hidden_act": "gelu_new",
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
        },
    ),
    Family(
        "falcon 7b: one key and value for all",
        "falcon",
        {**COMMON, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": 64},
        Gguf("falcon", layer_norm(**{"attention.head_count_kv": 1, "feed_forward_length": 128}), read_by_transformers=True),
    ),
    Family(
        "falcon 40b: groups, two norms",
        "falcon",
        {
            **COMMON,
            "hidden_size": 32,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_kv_heads": 2,
            "new_decoder_architecture": True,
            "max_position_embeddings": 64,
        },
        Gguf(
            "falcon", layer_norm(**{"attention.head_count_kv": 2, "feed_forward_length": 128}), ungroup(2, 2), read_by_transformers=False
        ),
    ),
    Family(
        "falcon rw: ALiBi, biases, one after the other",
        "falcon",
        {
            **COMMON,
            "hidden_size": 24,
            "num_hidden_layers": 3,
            "num_attention_heads": 6,
            "alibi": True,
            "bias": True,
            "multi_query": False,
            "parallel_attn": False,
            "max_position_embeddings": 64,
        },
        # Eager attention of transformers 5.23 adds ALiBi twice: once in the mask, once to the scores.
        attention="sdpa",
    ),
    Family(
        "bloom",
        "bloom",
        {**COMMON, "hidden_size": 24, "n_layer": 3, "n_head": 6},
        Gguf(
            "bloom",
            layer_norm(**{"embedding_length": 24, "feed_forward_length": 96, "attention.head_count": 6, "attention.head_count_kv": 6, "context_length": 2048}),
            ungroup(6, 1),
        ),
    ),
]
