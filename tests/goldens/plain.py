"""Published methods as plain PyTorch loops: where Inseq fails, and to check it where it does not."""

from __future__ import annotations

import numpy
import torch
from network import Network, Operations


def columns(network: Network, ids: list[int], length: int, column) -> torch.Tensor:
    """[sequence, outputs, …] from a function of an output's position that gives [position, …]."""
    result = None
    for position in range(length, len(ids)):
        part = column(position)
        if result is None:
            result = torch.zeros(len(ids), len(ids) - length, *part.shape[1:], dtype=part.dtype)
        result[:position, position - length] = part
    return result


def probability(network: Network, x: torch.Tensor, target: int) -> torch.Tensor:
    *_, (_, h) = network.states(x)
    return (h[..., -1, :] @ network.head.weight).softmax(-1)[..., target]


def discretized(network: Network, ids, length, paths: dict[int, list[int]], baseline: list[int], steps: int):
    """Discretized integrated gradients along given words (paths[id], from the word itself towards the baseline)."""
    table = network.embeddings

    def path(identifier: int, reference: int) -> torch.Tensor:
        end, points = table[reference], [table[identifier]]
        for word in paths[identifier][1:]:
            before, anchor = points[-1], table[word]
            between = (before >= anchor) & (anchor >= end) | (before <= anchor) & (anchor <= end)
            points.append(torch.where(between, anchor, before - (before - end) / steps))
        return torch.stack([end, *points[::-1]])

    def column(position: int) -> torch.Tensor:
        points = torch.stack([path(ids[i], baseline[i]) for i in range(position)], 1).requires_grad_()
        (gradient,) = torch.autograd.grad(probability(network, points, ids[position]).sum(), points)
        return (gradient[:-1] * (points[1:] - points[:-1])).sum(0).detach()

    return columns(network, ids, length, column)


def layer_path(network: Network, ids, length, baseline: list[int], layer: int | None, nodes, weights):
    """Gradient × (activation − baseline's activation) averaged over points between them; the layer's output is moved.

    With one point, at the activation itself, this is what layer_deeplift comes to in captum; else layer_integrated_gradients.
    """

    def tail(h: torch.Tensor, target: int) -> torch.Tensor:
        if layer is None:
            return probability(network, h, target)
        for index in range(layer + 1, network.layers):
            h = network.layer(index, h)
        return (network.last(h)[-1] @ network.head.weight).softmax(-1)[target]

    def activation(given: list[int]) -> torch.Tensor:
        x = network.embeddings[torch.tensor(given)]
        if layer is None:
            return x
        return network.layer(layer, next(h for index, h in network.states(x) if index == layer))

    def column(position: int) -> torch.Tensor:
        end, start = activation(ids[:position]), activation(baseline[:position])
        total = torch.zeros_like(end)
        for node, weight in zip(nodes, weights):
            point = (start + node * (end - start)).requires_grad_()
            (gradient,) = torch.autograd.grad(tail(point, ids[position]), point)
            total += weight * gradient
        return total * (end - start)

    return columns(network, ids, length, column)


def lime(network: Network, ids, length, masks: torch.Tensor, token: float):
    """Inseq's lime in closed form, one feature per token.

    A masked token's embedding is `token`, a number, in every dimension, so sample i is token + Σⱼ mᵢⱼ dⱼ with dⱼ = eⱼ − token,
    and ridge regression's solution lies along the dⱼ: with the features mᵢⱼ·|dⱼ| it gives γⱼ, and the attribution of
    token j is γⱼ dⱼ/|dⱼ|. Weights are the number of equal elements, an intercept is fitted and not penalised, α is 1.
    """
    embeddings = network.embeddings[torch.tensor(ids)]
    difference = embeddings - token
    norm = difference.norm(dim=-1)
    free = (embeddings == token).sum(-1)

    def column(position: int) -> torch.Tensor:
        keep = masks[:, :position].to(network.dtype)
        weights = (keep * embeddings.shape[1] + (1 - keep) * free[:position]).sum(1)
        points = embeddings[:position] * keep[..., None] + (1 - keep[..., None]) * token
        with torch.no_grad():
            y = probability(network, points, ids[position])
        z = keep * norm[:position]
        z, y = (v - (weights @ v) / weights.sum() for v in (z, y))
        gram = (z.T * weights) @ z + torch.eye(position, dtype=z.dtype)
        gamma = torch.linalg.solve(gram, (z.T * weights) @ y)
        return gamma[:, None] * difference[:position] / norm[:position, None]

    return columns(network, ids, length, column)


@torch.no_grad()
def value_zeroing(network: Network, ids: list[int]) -> torch.Tensor:
    """[sequence, row, layers]: how far each position's value vector moves a layer's output at a row; a row's scores sum to 1."""
    length = len(ids)
    keep = 1 - torch.eye(length, dtype=network.dtype)[:, None, :, None]
    states = [h for _, h in network.states(network.embeddings[torch.tensor(ids)])]
    result = []
    for index in range(network.layers):
        after = network.layer(index, states[index].expand(length, -1, -1), keep=keep)
        if index == network.layers - 1:
            after = network.last(after)
        score = 1 - torch.nn.functional.cosine_similarity(states[index + 1], after, dim=-1)
        score = torch.where(score < 1e-5, 0, score).triu()
        total = score.sum(0, keepdim=True)
        result.append(score / torch.where(total == 0, 1, total))
    return torch.stack(result, -1)


class Attentions(Operations):
    """Keeps each layer's attention, as a leaf of the graph's rest where asked."""

    def __init__(self) -> None:
        self.kept: list[torch.Tensor] = []

    def attention(self, probabilities):
        self.kept.append(probabilities)
        return probabilities


def attentions(network: Network, ids: list[int]):
    ops = Attentions()
    x = network.embeddings[torch.tensor(ids)].clone().requires_grad_()
    return network.forward(x, ops), ops.kept


def by_row(matrix: torch.Tensor, ids, length) -> torch.Tensor:
    """[sequence, outputs, …] from [row, sequence, …]: an output's row is the one of the position that predicts it."""
    return torch.stack([matrix[position - 1] for position in range(length, len(ids))], 1)


@torch.no_grad()
def rollout(network: Network, ids, length) -> torch.Tensor:
    """Abnar & Zuidema 2020."""
    _, layers = attentions(network, ids)
    total = torch.eye(len(ids), dtype=network.dtype)
    for matrix in layers:
        total = (0.5 * matrix.mean(0) + 0.5 * torch.eye(len(ids), dtype=network.dtype)) @ total
    return by_row(total, ids, length)


def gradient_attention(network: Network, ids, length) -> torch.Tensor:
    """[sequence, outputs, layers, heads]: A ⊙ ∂f/∂A summed over query rows, f the output's probability."""
    logits, layers = attentions(network, ids)
    result = []
    for position in range(length, len(ids)):
        value = logits[position - 1].softmax(-1)[ids[position]]
        gradients = torch.autograd.grad(value, layers, retain_graph=True)
        result.append(torch.stack([(a * g).sum(-2) for a, g in zip(layers, gradients)]).detach())
    return torch.stack(result).permute(3, 0, 1, 2)


def gauss_legendre(count: int) -> tuple[list[float], list[float]]:
    """Nodes and weights on [0, 1]."""
    nodes, weights = numpy.polynomial.legendre.leggauss(count)
    return list((1 + nodes) / 2), list(weights / 2)
