"""AttnLRP, and DeepLIFT with rules for everything that a transformer does, in float64 by backward passes of our own.

Both are gradient × input with another gradient. Nothing here follows an implementation; the rules are those of the docstrings.
"""

from __future__ import annotations

import plain
import torch
from network import Linear, Network, Norm, Operations


class AttnLRP(Operations):
    """Achtibat et al. 2024, as gradient × input with a modified gradient.

    Norm: the reciprocal root is a constant (the mean that layer norm subtracts is not). Activation: y = x · (y/x) with y/x
    constant. A product of two values, also of matrices: half of the gradient to each. Softmax and linear layers: as they are.
    """

    def norm(self, x, norm: Norm):
        if norm.bias is not None:
            x = x - x.mean(-1, keepdim=True)
        scaled = x * (x.square().mean(-1, keepdim=True) + norm.epsilon).rsqrt().detach() * norm.weight
        return scaled if norm.bias is None else scaled + norm.bias

    def activation(self, x, function):
        # Both activations have the slope ½ at 0.
        ratio = torch.where(x == 0, 0.5, function(x) / torch.where(x == 0, 1, x)).detach()
        return x * ratio

    def product(self, a, b):
        return (a * b.detach() + a.detach() * b) / 2

    def matmul(self, a, b):
        return (a @ b.detach() + a.detach() @ b) / 2


def attnlrp(network: Network, ids: list[int], length: int) -> dict[str, torch.Tensor]:
    """Relevance of the token embeddings for the target's logit; `value` is that logit."""
    x = network.embeddings[torch.tensor(ids)].clone().requires_grad_()
    logits = network.forward(x, AttnLRP())
    columns, values = [], []
    for position in range(length, len(ids)):
        value = logits[position - 1, ids[position]]
        (gradient,) = torch.autograd.grad(value, x, retain_graph=True)
        columns.append((x * gradient).detach())
        values.append(value.detach())
    relevance = torch.stack(columns, 1)
    result = {"vnorm": relevance.norm(dim=-1), "sum": relevance.sum(-1), "value": torch.stack(values)}
    return {**result, "total": result["sum"].sum(0)}


class Replace(torch.autograd.Function):
    """A value with multipliers in place of its gradient: `value` forward, `stand_in` backward."""

    @staticmethod
    def forward(context, value, stand_in):
        return value

    @staticmethod
    def backward(context, gradient):
        return None, gradient


def replace(value: torch.Tensor, stand_in: torch.Tensor) -> torch.Tensor:
    """`stand_in` must be linear in the inputs' differences, with the multipliers as coefficients."""
    return Replace.apply(value.detach(), stand_in)


class DeepLift(Operations):
    """Values are pairs (x, reference); gradients flow through the first alone and are multipliers Δy/Δx.

    Δ of what an operation gives is written as a linear function of its inputs' Δ: exactly for linear ones, Δy/Δz for an
    activation, Δ(ab) = Δa (b + b₀)/2 + Δb (a + a₀)/2 for a product. Each output's Δ is exactly the sum of its inputs'.
    """

    def norm(self, x, norm: Norm):
        x, y = x
        if norm.bias is not None:
            x, y = (v - v.mean(-1, keepdim=True) for v in (x, y))
        root, reference = ((v.detach().square().mean(-1, keepdim=True) + norm.epsilon).sqrt() for v in (x, y))
        # Δv of the mean square as a product, Δr of 1/√ by its secant, which has this form without cancellation.
        square = (x * (x + y).detach()).mean(-1, keepdim=True)
        reciprocal = -square / (root * reference * (root + reference))
        change = x * (1 / root + 1 / reference) / 2 + reciprocal * (x + y).detach() / 2
        bias = 0 if norm.bias is None else norm.bias
        return replace(x / root * norm.weight + bias, change * norm.weight), y / reference * norm.weight + bias

    def linear(self, x, linear: Linear):
        return tuple(Operations.linear(self, v, linear) for v in x)

    def activation(self, x, function):
        x, y = x
        difference = (x - y).detach()
        near = difference.abs() < 1e-6
        middle = ((x + y) / 2).detach().requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(function(middle).sum(), middle)
        secant = ((function(x) - function(y)) / torch.where(near, 1, difference)).detach()
        return replace(function(x), x * torch.where(near, slope, secant)), function(y)

    def product(self, a, b):
        (a, c), (b, d) = a, b
        return replace(a * b, a * (b + d).detach() / 2 + (a + c).detach() * b / 2), c * d

    def matmul(self, a, b):
        (a, c), (b, d) = a, b
        return replace(a @ b, a @ ((b + d).detach() / 2) + ((a + c).detach() / 2) @ b), c @ d

    def softmax(self, x):
        """Δpⱼ = Lⱼ (Δsⱼ − Σₖ qₖ Δsₖ): Lⱼ the logarithmic mean of both pⱼ, q = L/ΣL."""
        x, y = x
        masked = torch.isinf(y)
        p, q = x.softmax(-1), y.softmax(-1)
        half = ((x.log_softmax(-1) - y.log_softmax(-1)).masked_fill(masked, 0) / 2).detach()
        ratio = torch.where(half.abs() < 1e-6, 1 + half**2 / 6, half.sinh() / torch.where(half == 0, 1, half))
        mean = ((p * q).sqrt() * ratio).detach()
        scores = x.masked_fill(masked, 0)
        shift = (mean * scores).sum(-1, keepdim=True) / mean.sum(-1, keepdim=True)
        return replace(p, mean * (scores - shift)), q

    def add(self, a, b):
        return a[0] + b[0], a[1] + b[1]

    def map(self, x, function):
        return function(x[0]), function(x[1])

    def shift(self, x, constant):
        return x[0] + constant, x[1] + constant


def along_line(function, end: torch.Tensor, start: torch.Tensor, panels: int = 64, nodes: int = 16) -> torch.Tensor:
    """The gradient of a step function, meant over the line between two logit vectors."""
    places, weights = plain.gauss_legendre(nodes)
    total = torch.zeros_like(end)
    for panel in range(panels):
        for place, weight in zip(places, weights):
            point = (start + (panel + place) / panels * (end - start)).detach().requires_grad_()
            total += weight / panels * torch.autograd.grad(function(point), point)[0]
    return total


STEPS = {
    "logit": lambda logits, target: logits[target],
    "probability": lambda logits, target: logits.softmax(-1)[target],
    "crossentropy": lambda logits, target: -logits.log_softmax(-1)[target],
}


def deeplift(network: Network, ids, length, baseline: list[int], step: str) -> dict[str, torch.Tensor]:
    """`value` and `valueAtBaseline` of the step function; their difference is each column's sum, which is checked."""
    x, reference = (network.embeddings[torch.tensor(given)] for given in (ids, baseline))
    x = x.clone().requires_grad_()
    logits, start = network.forward((x, reference), DeepLift())
    start = start.detach()
    columns, values, before = [], [], []
    for position in range(length, len(ids)):
        row, target = position - 1, ids[position]

        def function(vector, target=target):
            return STEPS[step](vector, target)

        multipliers = along_line(function, logits[row].detach(), start[row])
        (gradient,) = torch.autograd.grad(logits[row], x, multipliers, retain_graph=True)
        columns.append(((x - reference) * gradient).detach())
        values.append(function(logits[row]).detach())
        before.append(function(start[row]))
    result = torch.stack(columns, 1)
    values, before = torch.stack(values), torch.stack(before)
    gap = float((result.sum((0, 2)) - (values - before)).abs().max() / values.abs().max())
    if not gap < 1e-10:
        raise SystemExit(f"DeepLIFT of {step} is not complete: {gap:.1e}")
    return {"vnorm": result.norm(dim=-1), "sum": result.sum(-1), "value": values, "valueAtBaseline": before}
