"""Holds an archive to the model that it was made from, on other lengths and batches than it was traced with."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from .minimal import Minimal
from .protocol import Channel
from .source import architecture, first_line

TOLERANCE = 1e-4
HINT = "Scores from it would be wrong, so it is not written. Architectures that were tried are in the README."
# Batch, length, padding before the text of each row.
SHAPES = [(1, 1, [0]), (1, 7, [0]), (2, 9, [0, 4]), (3, 14, [5, 0, 9]), (1, 29, [0])]
# A window or chunk of attention up to this long is crossed as well.
LONGEST = 1024


@dataclass
class Case:
    """A batch of texts with what transformers says of it; gradients are those of the logits weighted by `weights`."""

    name: str
    ids: Tensor
    mask: Tensor
    weights: Tensor
    logits: Tensor
    gradient: Tensor


def make_cases(model: PreTrainedModel, module: Minimal, vocabulary: int, context: int, channel: Channel) -> list[Case]:
    random = torch.Generator().manual_seed(0)
    cases = []
    shapes = list(_shapes(model.config, context))
    for done, (batch, length, padding) in enumerate(shapes):
        channel.phase("reference", done, len(shapes))
        ids = torch.randint(vocabulary, (batch, length), generator=random)
        mask = torch.ones_like(ids)
        for row, count in enumerate(padding):
            mask[row, :count] = 0
        arguments = module.arguments(mask)
        with torch.no_grad():
            logits = model(input_ids=ids, **arguments).logits
        # Padding has no part in it: what a model makes of it is its own affair.
        weights = torch.randn(logits.shape, generator=random) * mask.unsqueeze(-1)
        embeddings = module.embed(ids).detach().requires_grad_()
        (model(inputs_embeds=embeddings.clone(), **arguments).logits * weights).sum().backward()
        name = f"{batch} × {length} tokens{', padded before' if any(padding) else ''}"
        cases.append(Case(name, ids, mask, weights, logits, embeddings.grad))
    return cases


def verify(archive: torch.jit.ScriptModule, cases: list[Case], config: Any, fixed: list[str], channel: Channel) -> dict[str, float]:
    """The largest differences, as shares of the largest values. Refuses an archive beyond TOLERANCE, by what failed."""
    worst = {"logits": 0.0, "gradients": 0.0}
    where = f" The trace took values for fixed at {', '.join(fixed[:3])}." if fixed else ""
    for done, case in enumerate(cases):
        channel.phase("verify", done, len(cases))
        try:
            logits, gradient = _run(archive, case)
        except RuntimeError as error:
            lines = [line for line in str(error).splitlines() if line.startswith("RuntimeError:")]
            what = f"does not run on {case.name}: {lines[-1] if lines else first_line(error)}.{where}"
            raise architecture(config, f"was traced, but the trace {what}"[:-1], HINT) from error
        live = case.mask.bool()
        found = {"logits": apart(logits[live], case.logits[live]), "gradients": apart(gradient[live], case.gradient[live])}
        for name, difference in found.items():
            worst[name] = max(worst[name], difference)
            if not difference <= TOLERANCE:
                what = f"{name} differ from transformers' by {difference:.1e} of the largest on {case.name}.{where}"
                raise architecture(config, f"was traced, but the trace's {what}"[:-1], HINT)
    _verify_padding(archive, cases, config)
    _verify_causality(archive, cases, config)
    return worst


def _shapes(config: Any, context: int) -> Iterator[tuple[int, int, list[int]]]:
    yield from ((batch, min(length, context), [min(p, context - 1) for p in padding]) for batch, length, padding in SHAPES)
    spans = {getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size", "window_size", "local_attention")}
    for span in sorted(span for span in spans if isinstance(span, int) and 0 < span <= LONGEST):
        length = min(span + 5, context)
        yield 2, length, [0, min(3, length - 1)]


def _run(archive: torch.jit.ScriptModule, case: Case) -> tuple[Tensor, Tensor]:
    # As the engine runs it: nothing is fused, and nothing specialised after some calls.
    with torch.jit.optimized_execution(False):
        embeddings = archive.embed(case.ids).detach().requires_grad_()
        hidden = archive.hidden(embeddings, case.mask)
        logits = archive.logits(hidden.flatten(0, 1)).unflatten(0, case.ids.shape)
        (logits * case.weights).sum().backward()
    return logits.detach(), embeddings.grad


def _hidden(archive: torch.jit.ScriptModule, ids: Tensor, mask: Tensor) -> Tensor:
    with torch.no_grad(), torch.jit.optimized_execution(False):
        return archive.hidden(archive.embed(ids), mask)


def _verify_padding(archive: torch.jit.ScriptModule, cases: list[Case], config: Any) -> None:
    """A text means the same whatever padding stands before it."""
    case = next(case for case in cases if not case.mask.all())
    hidden = _hidden(archive, case.ids, case.mask)
    for row, mask in enumerate(case.mask.bool()):
        alone = case.ids[row][mask].unsqueeze(0)
        difference = apart(hidden[row][mask], _hidden(archive, alone, torch.ones_like(alone))[0])
        if not difference <= TOLERANCE:
            raise architecture(config, f"gives {difference:.1e} other hidden states where padding stands before a text", HINT)


def _verify_causality(archive: torch.jit.ScriptModule, cases: list[Case], config: Any) -> None:
    """One forward pass serves all outputs only where no token sees later ones."""
    case = max(cases, key=lambda case: case.ids.shape[1])
    other = case.ids.clone()
    half = other.shape[1] // 2
    other[:, half:] = other[:, half:].flip(-1).roll(1, -1)
    before, after = (_hidden(archive, ids, torch.ones_like(ids)) for ids in (case.ids, other))
    if not apart(after[:, :half], before[:, :half]) <= TOLERANCE:
        raise architecture(config, "lets tokens see later ones, so that its outputs cannot share a forward pass", HINT)


def apart(actual: Tensor, expected: Tensor) -> float:
    """The largest difference as a share of the largest expected value; infinite where either is not finite."""
    difference = (actual - expected).abs().max().item()
    largest = expected.abs().max().item()
    if not difference < float("inf"):
        return float("inf")
    return difference / largest if difference > 0 else 0.0
