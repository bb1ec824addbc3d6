"""The reference where rounding matters: the same weights and the same functions in float64."""

from __future__ import annotations

import functools

import torch
from torch.overrides import TorchFunctionMode


class KeepFloat64(TorchFunctionMode):
    """Within it a cast of float64 to float32 does nothing: models have them in norms, softmax and mixtures' routers."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if args and getattr(args[0], "dtype", None) == torch.float64:
            if function is torch.Tensor.float:
                return args[0]
            args = tuple(torch.float64 if arg is torch.float32 else arg for arg in args)
            if kwargs.get("dtype") is torch.float32:
                kwargs["dtype"] = torch.float64
        return function(*args, **kwargs)


def as_it_is(module: torch.nn.Module) -> None:
    """This module's own casts stay."""
    forward = module.forward

    @functools.wraps(forward)
    def outside(*args, **kwargs):
        with torch._C.DisableTorchFunction():
            return forward(*args, **kwargs)

    module.forward = outside


def to_float64(model: torch.nn.Module) -> None:
    """Turns a transformers model to float64 throughout.

    Rotary tables stay as transformers makes them, in float32: they are part of the model, as the weights are.
    """
    model.double()
    model.set_experts_implementation("eager")  # what mixtures take by default knows no float64
    for module in model.modules():
        if type(module).__name__.endswith("RotaryEmbedding"):
            as_it_is(module)
    forward = model.forward

    @functools.wraps(forward)
    def exact(*args, **kwargs):
        with KeepFloat64():
            return forward(*args, **kwargs)

    model.forward = exact


def path(steps: int) -> tuple[list[float], list[float]]:
    """Integrated gradients' places on the line and their weights, as captum's default has them."""
    from captum.attr._utils.approximation_methods import approximation_parameters

    sizes, places = approximation_parameters("gausslegendre")
    return places(steps), sizes(steps)


def gradients(
    model,
    ids: list[int],
    prompt_length: int,
    method: str,
    step: str,
    baseline: list[int] = [],
    places: list[float] = [1.0],
    weights: list[float] | None = None,
    outputs: list[int] | None = None,
    rounding: torch.Generator | None = None,
) -> torch.Tensor:
    """[sequence, outputs]: L2 norms of saliency, of input_x_gradient, or of a path's gradients at `places` between baseline (0)
    and text (1), from one forward over the whole sequence and a vector-Jacobian product per output for each place. The causal mask makes
    that the same as a forward per output. Of all outputs, or these. With `rounding`, embeddings are half a float32's last bit too large
    or too small, at random."""
    target = torch.tensor(ids)
    embed = model.model.get_input_embeddings()
    clean = embed(target[None]).detach()
    start = embed(torch.tensor([baseline])).detach() if baseline else torch.zeros_like(clean)
    rows = torch.arange(len(ids) - prompt_length) if outputs is None else torch.tensor(outputs)
    chosen = target[prompt_length + rows][:, None]
    totals = torch.zeros(len(rows), *clean[0].shape, dtype=clean.dtype)
    for place, weight in zip(places, weights or [1 / len(places)] * len(places), strict=True):
        embeddings = torch.lerp(start, clean, place)
        if rounding is not None:
            embeddings *= 1 + 2.0**-24 * (2 * torch.randint(2, embeddings.shape, generator=rounding) - 1)
        embeddings.requires_grad_()
        logits = model.model(inputs_embeds=embeddings, use_cache=False).logits[0, prompt_length - 1 + rows]
        functions = {"probability": logits.softmax(-1), "crossentropy": -logits.log_softmax(-1)}
        for row, value in enumerate(functions[step].gather(-1, chosen)[:, 0]):
            (gradient,) = torch.autograd.grad(value, embeddings, retain_graph=True)
            totals[row] += weight * gradient[0]
    if method != "saliency":
        totals *= clean - start
    return totals.norm(dim=-1).t().contiguous()


def sensitivity(*args, draws: int = 16, **line) -> list[float]:
    """How far the scores of each of these `outputs` move when embeddings are rounded to float32: root mean square of the draws.
    Arguments as those of `gradients`. A pass in float32 rounds all that follows too, and cannot be expected to be as near as that."""
    scores = gradients(*args, **line)
    rounding = torch.Generator().manual_seed(0)
    moved = torch.stack([(gradients(*args, **line, rounding=rounding) - scores).abs().amax(0) for _ in range(draws)])
    return moved.square().mean(0).sqrt().tolist()
