"""The reference where rounding matters: the same weights and the same functions in float64."""

from __future__ import annotations

import torch


def eager_attention(repeat_kv):
    """transformers' eager attention without its cast to float32, for a family whose keys and values `repeat_kv` repeats."""

    def attention(module, query, key, value, mask, scaling, dropout=0.0, **_):
        key = repeat_kv(key, module.num_key_value_groups)
        value = repeat_kv(value, module.num_key_value_groups)
        scores = query @ key.transpose(2, 3) * scaling
        probabilities = (scores if mask is None else scores + mask).softmax(-1)
        return (probabilities @ value).transpose(1, 2).contiguous(), probabilities

    return attention


def to_float64(model) -> None:
    """Turns an Inseq model's Llama to float64, without the casts to float32 inside its norm and its attention.

    The rotary table stays as transformers makes it, in float32: it is part of the model, as the weights are.
    """
    from transformers.models.llama import modeling_llama as llama

    def norm(self, hidden):
        return self.weight * (hidden * torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))

    llama.LlamaRMSNorm.forward = norm
    llama.eager_attention_forward = eager_attention(llama.repeat_kv)
    torch.nn.Module.double(model.model)


def gradients(
    model,
    ids: list[int],
    prompt_length: int,
    method: str,
    step: str,
    baseline: list[int] = [],
    coefficients: list[float] | None = None,
) -> torch.Tensor:
    """[sequence, outputs]: L2 norms of saliency, input_x_gradient or gradient_shap, from one forward over the whole sequence
    and a vector-Jacobian product per output. The causal mask makes that the same as a forward per output."""
    target = torch.tensor(ids)
    embed = model.model.get_input_embeddings()
    clean = embed(target[None]).detach()
    start = torch.zeros_like(clean) if coefficients is None else embed(torch.tensor([baseline])).detach()
    totals = torch.zeros(len(ids) - prompt_length, *clean[0].shape, dtype=clean.dtype)
    for coefficient in coefficients or [1.0]:
        embeddings = torch.lerp(start, clean, coefficient).requires_grad_()
        logits = model.model(inputs_embeds=embeddings, use_cache=False).logits[0, prompt_length - 1 : -1]
        chosen = target[prompt_length:, None]
        functions = {"probability": logits.softmax(-1), "crossentropy": -logits.log_softmax(-1)}
        for output, value in enumerate(functions[step].gather(-1, chosen)[:, 0]):
            (gradient,) = torch.autograd.grad(value, embeddings, retain_graph=True)
            totals[output] += gradient[0] / len(coefficients or [1.0])
    if method != "saliency":
        totals *= clean - start
    return totals.norm(dim=-1).t().contiguous()
