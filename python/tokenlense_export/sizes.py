"""What a contract says of a model's sizes, from the many names that configurations have for them."""

from typing import Any

from transformers import PreTrainedModel

from .source import architecture

# Where a configuration names no longest text (ALiBi has none).
UNLIMITED = 2048


def sizes(config: Any, model: PreTrainedModel) -> dict[str, int]:
    def first(*names: str) -> int | None:
        return next((value for name in names if isinstance(value := getattr(config, name, None), int) and value > 0), None)

    heads = first("num_attention_heads", "n_head", "n_heads") or 1
    rows, width = model.get_input_embeddings().weight.shape
    head = model.get_output_embeddings()
    vocabulary = head.weight.shape[0] if head is not None else rows
    if rows < vocabulary:
        raise architecture(config, f"has {rows} embeddings for {vocabulary} logits")
    inner = first("hidden_size", "n_embd", "d_model") or width
    multi_query = getattr(config, "multi_query", False) and not getattr(config, "new_decoder_architecture", False)
    return {
        "layers": first("num_hidden_layers", "n_layer", "n_layers") or 1,
        "heads": heads,
        "kvHeads": 1 if multi_query else first("num_key_value_heads", "num_kv_heads") or heads,
        "headDim": first("head_dim") or max(1, inner // heads),
        "width": width,
        "hidden": first("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size") or 4 * inner,
        "vocabulary": vocabulary,
        "context": context(config, first("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "seq_length")),
    }


def context(config: Any, longest: int | None) -> int:
    """Rotary frequencies that change with the length are traced as they are up to the length that the model was first trained on."""
    limits = [longest or UNLIMITED]
    rope = getattr(config, "rope_parameters", None) or {}
    for parameters in rope.values() if all(isinstance(value, dict) for value in rope.values()) else [rope]:
        if parameters.get("rope_type") in ("dynamic", "longrope") and parameters.get("original_max_position_embeddings"):
            limits.append(int(parameters["original_max_position_embeddings"]))
    return min(limits)
