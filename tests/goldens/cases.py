"""Which methods with which options, and what Inseq 0.7.1 really does in each."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable
from unittest import mock

import peer
import plain
import recorded
import torch

METHODS = [
    "saliency",
    "input_x_gradient",
    "integrated_gradients",
    "deeplift",
    "gradient_shap",
    "sequential_integrated_gradients",
    "discretized_integrated_gradients",
    "layer_gradient_x_activation",
    "layer_integrated_gradients",
    "layer_deeplift",
    "attention",
    "occlusion",
    "lime",
    "reagent",
    "value_zeroing",
]
LAYER = {"gpt2": ("transformer.h.0", 0), "smollm2": ("model.layers.14", 14)}
SOME_HEADS = 3
RIEMANN = ("riemann_left", "riemann_right", "riemann_middle", "riemann_trapezoid", "gausslegendre")

ABOUT = {
    "arrays": (
        "[sequence, outputs, …], not normalised, 0 where a position is not before the output. vnorm and sum: L2 norm and "
        "signed sum over the embedding dimension. deltas: [outputs, …], Inseq's convergence deltas. float32: Inseq as it "
        "ships. float64: what `reference` says, stored as float32."
    ),
    "baseline": "embeddings of the unknown token at every position, but an end token (eos) stays what it is",
    "attention": (
        "Attributed once, from the last output's forward pass over sequence − 1 tokens. An output's column is the query row of "
        "the position that predicts it (its own position − 1), keys up to and including that row. value_zeroing likewise."
    ),
    "deeplift": (
        "captum 0.9 has rules only for nn modules of exactly the classes ReLU, ELU, LeakyReLU, Sigmoid, Tanh, Softplus, Softmax "
        "and max-pooling. Neither model has one: activations are SiLUActivation/SiLU and NewGELUActivation, softmax and tanh "
        "are called as functions, norms are no rule at all. So Inseq's deeplift is gradient × (input − baseline), with the "
        "gradient at the input, which this script checks element by element; its deltas are far from 0."
    ),
    "layers": (
        "Inseq gives captum ids, but its forward takes the ids from an argument beside, so that the baseline never reaches the "
        "model: layer_integrated_gradients and layer_deeplift are 0 everywhere, for every layer. Their float64 is a plain "
        "loop with the baseline's activations; for layer_deeplift gradient × (activation − baseline's activation)."
    ),
    "gradient_shap": (
        "Mean over samples of gradient × (input − baseline) at baseline + c·(input + noise − baseline), where (input + noise) is "
        "also the input of the product. captum draws c [samples] with numpy and the noise with torch; here they are `random`, the "
        "same c at each output, and the noise's first positions."
    ),
    "sequential_integrated_gradients": (
        "Each position's path runs from the baseline's embedding to the token's while all others stay the input; only "
        "that position's attribution is kept."
    ),
    "discretized_integrated_gradients": (
        "Path of n_steps points: the baseline, then monotonic points from the last anchor back to the token. Attribution is the "
        "sum of gradient(pointₖ) · (pointₖ₊₁ − pointₖ) over k < n_steps − 1. A special token's path is n_steps − 1 times itself, then "
        "the baseline. `paths` has the words by token id, from the token on. Neighbours: 50 nearest by Euclidean distance in "
        "float32, without the token itself, nearest first; ties in the strategy's measure go to the nearer. n_neighbors cannot "
        "be set (Inseq drops the argument)."
    ),
    "lime": (
        "Perturbs embeddings, not ids: a masked position becomes the number of the mask token's id (unk, or pad with "
        "mask_token) in every dimension. Special tokens are masked too, because Inseq looks for ids among embeddings. Features are "
        "the perturbed embeddings themselves, weights the count of elements equal to the input's, the model scikit-learn's "
        "Ridge with alpha 1 and an intercept, in float64. The attribution is its coefficients [sequence, width]. plain.py has "
        "the same with one feature per token, and this script checks that they are equal."
    ),
    "reagent": (
        "nltk's data, which its sampler needs, cannot be had here: ids are sampled uniformly from the vocabulary. All that is random "
        "is in `outputs`, one item per output: initial [probes, prefix]; per step uniform (a position is replaced where it is "
        "below replacing_ratio), probe and stop (the ids put in when probing, and in the test), stopped (of the test alone). Always the "
        "softmax probability of the given target, whatever the attributed function. A stopped probe's scores stay. The "
        "result is the mean over the probes that have stopped of softmax(scores), repeated over the embedding dimension (stored "
        "once: vnorm is √width times that); NaN if none has stopped after max_probe_steps."
    ),
    "value_zeroing": (
        "Fails in Inseq (`error`). The plain loop: at each layer and position j the layer's value vectors of j become 0, its "
        "input stays clean; 1 − cosine similarity of the output state at each row ≥ j (of the last layer after the final norm); below 1e-5 "
        "is 0; each row's scores sum to 1 over j."
    ),
}


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
            options["cache_dir"] = Path(os.environ["INSEQ_HOME"], subject.name)
        with self.around():
            start = time.perf_counter()
            out = peer.attribute(
                subject.model, subject.ids, subject.length, self.method, self.step, [], options, self.step_options
            )
            return out, time.perf_counter() - start

    def measure(self, subject, out) -> tuple[dict, torch.Tensor]:
        tensor = peer.scores(out, subject.ids, subject.length, "none", "contrast_targets" in self.step_options)
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
        hooks = [(module, dict(module._forward_hooks), dict(module._forward_pre_hooks)) for module in modules(subject)]
        try:
            out, entry["seconds"] = self.run(subject)
            entry["seconds"] = round(entry["seconds"], 3)
            entry["float32"] = {name: array(value) for name, value in self.measure(subject, out)[0].items()}
        except Exception as error:  # noqa: BLE001 - what Inseq cannot do is a finding
            entry["error"] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
            # A failed method leaves its hooks behind.
            for module, after, before in hooks:
                for current, kept in ((module._forward_hooks, after), (module._forward_pre_hooks, before)):
                    current.clear()
                    current.update(kept)
            sys.settrace(None)
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


def modules(subject):
    return list(subject.model.model.modules())


def same(name: str, left: torch.Tensor, right: torch.Tensor, tolerance: float = 1e-6) -> None:
    """Inseq rounds its outputs to float32, whatever they are computed in."""
    distance = float((left - right).abs().max() / right.abs().max())
    if not distance <= tolerance:
        raise SystemExit(f"{name}: {distance:.1e} apart")


def deeplift_is_gradient(subject, tensor) -> None:
    gradient = plain.layer_path(subject.network, subject.ids, subject.length, subject.baseline, None, [1.0], [1.0])
    same("deeplift and gradient × (input − baseline)", tensor, gradient)


def lime_is_closed(masks, token):
    def check(subject, tensor) -> None:
        closed = plain.lime(subject.network, subject.ids, subject.length, masks, float(token))
        same("lime and its closed form", tensor, closed)

    return check


def paths_recorder(found: dict):
    from inseq.attr.feat.ops.monotonic_path_builder import MonotonicPathBuilder

    find = MonotonicPathBuilder.find_path

    def finding(self, word_idx, *arguments, **options):
        found[word_idx] = [int(word) for word in find(self, word_idx, *arguments, **options)]
        return found[word_idx]

    return mock.patch.object(MonotonicPathBuilder, "find_path", finding)


def plan(subject) -> list[Case]:
    small, length = subject.name == "gpt2", subject.length
    layer, index = LAYER[subject.name]
    result = [Case("saliency"), Case("input_x_gradient")]

    delta = {"return_convergence_delta": True}
    result.append(Case("integrated_gradients", {"n_steps": 50, **delta}, reference="inseq" if small else None))
    result += [Case("integrated_gradients", {"n_steps": 12, "method": rule, **delta}) for rule in RIEMANN]
    result.append(Case("deeplift", delta, check=deeplift_is_gradient))

    values = recorded.coefficients(5)
    result.append(
        Case(
            "gradient_shap",
            {"n_samples": 5, "stdevs": 0.0, **delta},
            around=lambda: recorded.shap(values),
            random={"gradient_shap.coefficients": values},
        )
    )
    if small:
        noise = recorded.normals(5, len(subject.ids), subject.network.width)
        result.append(
            Case(
                "gradient_shap",
                {"n_samples": 5, "stdevs": 0.1, **delta},
                around=lambda: recorded.shap(values, noise),
                random={"gradient_shap.normals": noise},
            )
        )
    result.append(
        Case("sequential_integrated_gradients", {"n_steps": 8, **delta}, reference="inseq" if small else None)
    )
    for strategy in ("greedy", "maxcount"):
        result.append(discretized(strategy, 10))

    for target in (None, layer):
        options = {"target_layer": target} if target else {}
        which = index if target else None
        result.append(Case("layer_gradient_x_activation", options))
        nodes, weights = plain.gauss_legendre(12)
        result.append(
            Case("layer_integrated_gradients", {"n_steps": 12, **options}, reference=layer_loop(which, nodes, weights))
        )
        result.append(Case("layer_deeplift", options, reference=layer_loop(which, [1.0], [1.0])))

    result += [Case("attention"), Case("occlusion")]

    masks = recorded.keep_masks(50, len(subject.ids))
    for token in ("unk", "pad") if small else ("unk",):
        number = getattr(subject.model.tokenizer, f"{token}_token_id")
        result.append(
            Case(
                "lime",
                {"n_samples": 50, **({"mask_token": token} if token != "unk" else {})},
                around=lambda: recorded.lime(masks),
                random={"lime.keep": masks},
                check=lime_is_closed(masks, number),
            )
        )
    result.append(Case("value_zeroing", reference=zeroing))
    return result


def discretized(strategy: str, steps: int) -> Case:
    found: dict = {}

    def reference(subject) -> dict:
        loop = plain.discretized(subject.network, subject.ids, subject.length, found, subject.baseline, steps)
        return widths(loop)

    return Case(
        "discretized_integrated_gradients",
        {"n_steps": steps, "method": strategy, "return_convergence_delta": True},
        around=lambda: paths_recorder(found),
        reference=reference,
        extra={"paths": lambda: {str(word): found[word] for word in sorted(found)}},
    )


def layer_loop(layer: int | None, nodes, weights):
    def reference(subject) -> dict:
        return widths(
            plain.layer_path(subject.network, subject.ids, subject.length, subject.baseline, layer, nodes, weights)
        )

    return reference


def zeroing(subject) -> dict:
    rows = plain.value_zeroing(subject.network, subject.ids[:-1])
    result = plain.columns(subject.network, subject.ids, subject.length, lambda p: rows[:p, p - 1])
    with repaired_value_zeroing():
        out = peer.attribute(subject.model, subject.ids, subject.length, "value_zeroing", "probability")
    # Inseq keeps states in float32, and 1 − cosine loses digits there.
    same("value_zeroing and Inseq's, repaired", peer.scores(out, subject.ids, subject.length, "none"), result, 3e-3)
    return {"layers": result}


@contextmanager
def repaired_value_zeroing():
    """Inseq with what keeps it from running on transformers 5: a renamed variable, and layers that give no tuple."""
    from inseq.attr.feat.ops.value_zeroing import ValueZeroing
    from inseq.models.model_config import MODEL_CONFIGS

    def hook(self, block_idx, hidden_state_idx=0):
        def replace(module, arguments, output):
            self.corrupted_block_output_states[block_idx] = output.clone().float().detach()
            return self.clean_block_output_states[block_idx].to(output.dtype)

        return replace

    with (
        mock.patch.object(ValueZeroing, "get_states_extract_and_patch_hook", hook),
        mock.patch.object(MODEL_CONFIGS["GPT2LMHeadModel"], "value_vector", "value_states"),
    ):
        yield
