"""Random choices that are ours: Inseq and captum draw theirs without a seed, so here they are handed recorded ones.

Every choice is made once for the whole sequence. What an output gets is the part for the positions before it, so that another
program can make all outputs from the same numbers.
"""

from __future__ import annotations

from contextlib import contextmanager
from unittest import mock

import numpy
import torch


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def coefficients(count: int) -> torch.Tensor:
    """[samples]: how far gradient_shap's points are on the way from the baseline to the input."""
    return torch.rand(count, generator=generator(1), dtype=torch.float64).float()


def normals(count: int, sequence: int, width: int) -> torch.Tensor:
    """[samples, sequence, width]: gradient_shap's noise, to be multiplied with stdevs."""
    return torch.randn(count, sequence, width, generator=generator(2))


def keep_masks(count: int, sequence: int, mask_prob: float = 0.3) -> torch.Tensor:
    """[samples, sequence] of 0 (masked) and 1 (kept): lime's perturbations."""
    return (torch.rand(count, sequence, generator=generator(3)) >= mask_prob).long()


@contextmanager
def shap(values: torch.Tensor, noise: torch.Tensor | None = None):
    """gradient_shap draws one uniform vector (with numpy) and one normal tensor per output."""

    def uniform(low, high, count):
        assert (low, high, count) == (0.0, 1.0, len(values))
        return values.double().numpy()

    def normal(mean, deviation):
        if noise is None:
            assert not deviation.any()
            return torch.zeros_like(deviation)
        return noise[:, : deviation.shape[1]] * deviation

    with mock.patch.object(numpy.random, "uniform", uniform), mock.patch.object(torch, "normal", normal):
        yield


@contextmanager
def lime(masks: torch.Tensor):
    """lime draws one mask per sample and output."""
    calls = 0

    def multinomial(weights, count, replacement):
        nonlocal calls
        assert replacement and len(weights) == 2
        calls += 1
        return masks[(calls - 1) % len(masks), :count]

    with mock.patch.object(torch, "multinomial", multinomial):
        yield
    assert calls % len(masks) == 0


class Reagent:
    """Replaces ReAGent's sampler by uniform ids, and writes down everything random that it does at each output.

    `outputs` has an item per output: `initial` [probes, prefix], and for each step `uniform` [probes, prefix] (a position is
    replaced where it is below replacing_ratio), `probe` and `stop` [probes, prefix] (the ids that would replace each token
    when probing, and in the test for stopping), and `stopped` [probes] after it.
    """

    def __init__(self, seed: int, vocabulary: int) -> None:
        self.generator = generator(seed)
        self.vocabulary = vocabulary
        self.outputs: list[dict] = []

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        sampled = torch.randint(self.vocabulary, ids.shape, generator=self.generator)
        step = self.outputs[-1]["steps"][-1]
        step["stop" if "probe" in step else "probe"] = sampled
        return sampled

    @contextmanager
    def recording(self):
        from inseq.attr.feat.ops import reagent
        from inseq.attr.feat.ops.reagent_core import DeltaProbImportanceScoreEvaluator, TopKStoppingConditionEvaluator

        draw, evaluate = torch.rand, DeltaProbImportanceScoreEvaluator.__call__
        stop, recorder = TopKStoppingConditionEvaluator.__call__, self

        def rand(*size, **options):
            options.pop("device", None)
            numbers = draw(*size, generator=self.generator, **options)
            output = self.outputs[-1]
            if "initial" not in output:
                output["initial"] = numbers
            else:
                output["steps"].append({"uniform": numbers})
            return numbers

        def evaluated(evaluator, *arguments):
            recorder.outputs.append({"steps": []})
            return evaluate(evaluator, *arguments)

        def stopped(evaluator, *arguments):
            recorder.outputs[-1]["steps"][-1]["stopped"] = stop(evaluator, *arguments)
            return recorder.outputs[-1]["steps"][-1]["stopped"]

        with (
            mock.patch.object(torch, "rand", rand),
            mock.patch.object(DeltaProbImportanceScoreEvaluator, "__call__", evaluated),
            mock.patch.object(TopKStoppingConditionEvaluator, "__call__", stopped),
            mock.patch.object(reagent, "POSTagTokenSampler", lambda **_: self),
        ):
            yield self
