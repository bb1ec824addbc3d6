"""One method with its options on one model: run in float32 as Inseq ships, and again, or otherwise, in float64."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import peer
import torch

SOME_HEADS = 3


def array(tensor) -> dict:
    tensor = torch.as_tensor(tensor)
    return {"shape": list(tensor.shape), "data": peer.encode(tensor.detach().float())}


def widths(tensor: torch.Tensor) -> dict:
    """From [sequence, outputs, width]."""
    return {"vnorm": tensor.norm(dim=-1), "sum": tensor.sum(-1)}


def by_head(tensor: torch.Tensor, subject) -> dict:
    """From [sequence, outputs, layers, heads]: all of it where it is small."""
    if subject.name == "gpt2":
        return {"heads": tensor}
    return {"mean": tensor.mean((2, 3)), f"layer{SOME_HEADS}": tensor[:, :, SOME_HEADS]}


@dataclass
class Case:
    method: str
    options: dict = field(default_factory=dict)
    step: str = "probability"
    step_options: dict = field(default_factory=dict)
    # Hands Inseq its random choices.
    around: Callable[[], Any] = nullcontext
    random: dict = field(default_factory=dict)
    # "inseq", or a function of the subject that gives arrays, or None where too slow.
    reference: Any = "inseq"
    # Arrays from Inseq's output.
    arrays: Callable | None = None
    # A function of the subject and Inseq's [sequence, outputs, …] in float64.
    check: Callable | None = None
    extra: dict = field(default_factory=dict)

    def run(self, subject):
        options = dict(self.options)
        if self.method == "discretized_integrated_gradients":
            # Inseq finds neighbours again by the model's name alone.
            weights = hashlib.sha256(subject.network.embeddings.numpy().tobytes()).hexdigest()
            options["cache_dir"] = Path(os.environ["INSEQ_HOME"], weights[:12])
        step_options = dict(self.step_options)
        if "contrast" in step_options:
            step_options["contrast_targets"] = subject.model.tokenizer.decode(
                subject.contrasts[step_options.pop("contrast")]
            )
        with self.around():
            start = time.perf_counter()
            out = peer.attribute(
                subject.model, subject.ids, subject.length, self.method, self.step, [], options, step_options
            )
            return out, time.perf_counter() - start

    def measure(self, subject, out) -> tuple[dict, torch.Tensor]:
        tensor = peer.scores(out, subject.ids, subject.length, "none", "contrast" in self.step_options)
        if self.arrays:
            return self.arrays(tensor), tensor
        result = {"scores": tensor} if tensor.ndim == 2 else widths(tensor) if tensor.ndim == 3 else by_head(tensor, subject)
        deltas = [item.step_scores.get("deltas") for item in out.step_attributions]
        if deltas[0] is not None:
            result["deltas"] = torch.stack(deltas).squeeze()
        return result, tensor

    def start(self, subject) -> dict:
        entry = {
            "model": subject.name,
            "method": self.method,
            "step": self.step,
            "options": self.options,
            "stepOptions": self.step_options,
        }
        try:
            out, entry["seconds"] = self.run(subject)
            entry["seconds"] = round(entry["seconds"], 3)
            entry["float32"] = {name: array(value) for name, value in self.measure(subject, out)[0].items()}
        except Exception as error:  # noqa: BLE001 - what Inseq cannot do is a finding
            entry["error"] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
            peer.unhook(subject.model.model)
        entry.update({name: value() if callable(value) else value for name, value in self.extra.items()})
        return entry

    def finish(self, subject, entry: dict) -> None:
        if self.reference is None:
            return
        entry["reference"] = "Inseq in float64" if self.reference == "inseq" else "plain loop"
        if self.reference == "inseq":
            arrays, tensor = self.measure(subject, self.run(subject)[0])
            if self.check:
                self.check(subject, tensor)
        else:
            arrays = self.reference(subject)
        entry["float64"] = {name: array(value) for name, value in arrays.items()}


@dataclass
class Plain(Case):
    """Not in Inseq."""

    def start(self, subject) -> dict:
        return {
            "model": subject.name,
            "method": self.method,
            "step": self.step,
            "options": self.options,
            "stepOptions": self.step_options,
        }


def same(name: str, left: torch.Tensor, right: torch.Tensor, tolerance: float = 1e-6) -> None:
    """Inseq rounds its outputs to float32, whatever they are computed in."""
    distance = float((left - right).abs().max() / right.abs().max())
    if not distance <= tolerance:
        raise SystemExit(f"{name}: {distance:.1e} apart")
    print(f"  {name} are the same: {distance:.1e} apart")
