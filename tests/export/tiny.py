"""
Small random models of many architectures as Hugging Face folders, each with what transformers says of it: `tiny.py <folder> <name> …`, or `all`.
Run by the exporter's own environment. Window sizes are small, so that short texts cross them; heads and embeddings are scaled and capped
where the architecture can.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedTokenizerFast

TEXT = "The quick brown fox jumps over the lazy dog, and the capital of France is Paris."
VOCABULARY, CONTEXT = 320, 48

COMMON: dict[str, Any] = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, max_position_embeddings=CONTEXT)
GROUPED = COMMON | dict(num_key_value_heads=2)
GPT: dict[str, Any] = dict(n_embd=32, n_layer=2, n_head=4, n_positions=CONTEXT)
EXPERTS: dict[str, Any] = dict(moe_intermediate_size=16, num_experts=4, num_experts_per_tok=2)

CONFIGS: dict[str, dict[str, Any]] = {
    "apertus": GROUPED,
    "biogpt": COMMON,
    "bloom": dict(hidden_size=32, n_layer=2, n_head=4),
    "codegen": GPT | dict(rotary_dim=4),
    "cohere": GROUPED | dict(logit_scale=0.25, use_qk_norm=True),
    "cohere2": GROUPED | dict(sliding_window=6),
    "ctrl": GPT | dict(dff=48),
    "deepseek_v3": COMMON | dict(num_key_value_heads=4, moe_intermediate_size=16, n_routed_experts=4, n_group=1, topk_group=1, num_experts_per_tok=2, q_lora_rank=16, kv_lora_rank=16, qk_rope_head_dim=4, qk_nope_head_dim=4, v_head_dim=8),
    "falcon": COMMON | dict(alibi=True, multi_query=True),
    "gemma": GROUPED | dict(head_dim=8),
    "gemma2": GROUPED | dict(head_dim=8, sliding_window=6, final_logit_softcapping=2.0, attn_logit_softcapping=1.0),
    "gemma3_text": GROUPED | dict(head_dim=8, sliding_window=6),
    "glm4": GROUPED | dict(head_dim=8, pad_token_id=0),
    "gpt_bigcode": GPT,
    "gpt_neo": dict(hidden_size=32, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=6, max_position_embeddings=CONTEXT),
    "gpt_neox": COMMON,
    "gpt_oss": GROUPED | dict(head_dim=8, sliding_window=6, num_local_experts=4, num_experts_per_tok=2),
    "gptj": GPT | dict(rotary_dim=4),
    "granite": GROUPED | dict(logits_scaling=3.0, embedding_multiplier=5.0, residual_multiplier=0.5, attention_multiplier=0.3),
    "helium": GROUPED | dict(head_dim=8),
    "mistral": GROUPED | dict(sliding_window=6),
    "mixtral": GROUPED | dict(num_local_experts=4),
    "mpt": dict(d_model=32, n_layers=2, n_heads=4, max_seq_len=CONTEXT),
    "nemotron": GROUPED | dict(head_dim=8),
    "olmo": COMMON | dict(clip_qkv=0.5),
    "olmo2": GROUPED,
    "olmo3": GROUPED | dict(sliding_window=6),
    "openai-gpt": GPT,
    "opt": COMMON | dict(ffn_dim=48, word_embed_proj_dim=16),
    "persimmon": COMMON,
    "phi": COMMON,
    "phi3": GROUPED | dict(pad_token_id=0, sliding_window=6),
    "qwen2": GROUPED,
    "qwen3": GROUPED | dict(head_dim=8),
    "qwen3_moe": GROUPED | EXPERTS | dict(head_dim=8),
    "smollm3": GROUPED | dict(pad_token_id=0),
    "stablelm": GROUPED,
    "starcoder2": GROUPED | dict(sliding_window=6),
    "xglm": dict(d_model=32, num_layers=2, attention_heads=4, ffn_dim=48, max_position_embeddings=CONTEXT),
    # No attention over a mask, or none that a trace can hold: these are to be refused.
    "bert": COMMON,
    "mamba": dict(hidden_size=32, num_hidden_layers=2, state_size=8),
    "recurrent_gemma": COMMON | dict(lru_width=32, num_hidden_layers=3),
    "rwkv": dict(hidden_size=32, num_hidden_layers=2, attention_hidden_size=32, context_length=CONTEXT),
    "t5": dict(d_model=32, d_kv=8, d_ff=48, num_layers=1, num_heads=4),
    "vit": COMMON,
}


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE, trained on one sentence; the special tokens come first."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    specials = ["<|unknown|>", "<|begin|>", "<|end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trained.train_from_iterator([TEXT] * 5, trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=specials, initial_alphabet=alphabet))
    names = dict(zip(["unk_token", "bos_token", "eos_token"], specials))
    return PreTrainedTokenizerFast(tokenizer_object=trained, **names)


def make(folder: Path, name: str) -> None:
    config = AutoConfig.for_model(name, **CONFIGS[name], **({} if name == "vit" else dict(vocab_size=VOCABULARY, bos_token_id=1, eos_token_id=2)))
    kind = AutoModelForCausalLM if type(config) in transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING else AutoModel
    torch.manual_seed(0)
    model = kind.from_config(config, attn_implementation="eager").eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    words = tokenizer()
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    if kind is AutoModelForCausalLM and hasattr(model, "generate"):
        (folder / "reference.json").write_text(json.dumps(reference(model, words(TEXT)["input_ids"][:14])))


def reference(model: Any, ids: list[int], prompt: int = 9) -> dict[str, Any]:
    """Logits before every output, each output's probability's gradient by the input embeddings before it, and the greedy continuation."""
    text = torch.tensor([ids])
    inputs = model.get_input_embeddings()(text).detach().requires_grad_()
    logits = model(inputs_embeds=inputs.clone(), attention_mask=torch.ones_like(text), use_cache=False).logits[0]
    gradients = []  # of a clone: CTRL scales what it is given in place
    for at in range(prompt, len(ids)):
        probability = logits[at - 1].softmax(-1)[ids[at]]
        (gradient,) = torch.autograd.grad(probability, inputs, retain_graph=True)
        gradients.append(gradient[0].tolist())
    with torch.no_grad():
        whole = model(input_ids=text, use_cache=False).logits[0, prompt - 1 : -1]
    generated = model.generate(text[:, :prompt], attention_mask=torch.ones((1, prompt), dtype=torch.long), max_new_tokens=12, do_sample=False, use_cache=False)
    return {
        "ids": ids,
        "prompt": prompt,
        "logits": whole.tolist(),
        "gradients": gradients,
        "embeddings": inputs[0].tolist(),
        "generated": [token for token in generated[0, prompt:].tolist() if token != 2],
    }


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    target, *names = sys.argv[1:]
    for name in CONFIGS if names == ["all"] else names:
        make(Path(target) / name, name)
