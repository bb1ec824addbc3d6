"""Which methods with which options, their plain references, and checks of what conventions.py says."""

from __future__ import annotations

from contextlib import contextmanager
from unittest import mock

import peer
import plain
import recorded
import rules
from case import Case, Plain, array, by_head, same, widths

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
    "attention_rollout",
    "gradient_x_attention",
    "attnlrp",
    "deeplift_rules",
]
LAYER = {"gpt2": ("transformer.h.0", 0), "smollm2": ("model.layers.14", 14)}
RIEMANN = ("riemann_left", "riemann_right", "riemann_middle", "riemann_trapezoid", "gausslegendre")


def beyond(subject) -> list[Case]:
    network, ids, length = subject.network, subject.ids, subject.length
    result = [
        Plain("attention_rollout", reference=lambda _: {"scores": plain.rollout(network, ids, length)}),
        Plain(
            "gradient_x_attention",
            reference=lambda _: by_head(plain.gradient_attention(network, ids, length), subject),
        ),
        Plain("attnlrp", step="logit", reference=lambda _: rules.attnlrp(network, ids, length)),
    ]
    for step in rules.STEPS:
        for options in ({}, {"baseline": "unk"}):
            baseline = [subject.about["unk"]] * len(ids) if options else subject.baseline
            if subject.name == "gpt2" or not options:
                result.append(
                    Plain(
                        "deeplift_rules",
                        options,
                        step,
                        reference=lambda _, s=step, b=baseline: rules.deeplift(network, ids, length, b, s),
                    )
                )
    return result


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
    result = [Case("saliency"), Case("input_x_gradient"), Case("saliency", step="entropy")]
    for contrast in subject.contrasts:
        for step in ("contrast_prob_diff", "contrast_logits_diff", "pcxmi", "kl_divergence"):
            # Without the contrast's inputs "prefix" would compare each output with itself.
            if contrast == "other" and step != "kl_divergence":
                result.append(Case("saliency", step=step, step_options={"contrast": contrast}))
            options = {"contrast": contrast, "contrast_force_inputs": True}
            result.append(Case("saliency", step=step, step_options=options))

    delta = {"return_convergence_delta": True}
    result.append(Case("integrated_gradients", {"n_steps": 50, **delta}))
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
        Case("sequential_integrated_gradients", {"n_steps": 8, **delta})
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
    if small:
        result += [reagent(subject, keep_top_n=5), reagent(subject, keep_top_n=2)]
    result.append(Case("value_zeroing", reference=zeroing))
    return result + beyond(subject)


def reagent(subject, keep_top_n: int) -> Case:
    recorder = recorded.Reagent(4, subject.network.embeddings.shape[0])
    options = {"keep_top_n": keep_top_n, "stopping_condition_top_k": 3, "replacing_ratio": 0.3}

    def outputs() -> list[dict]:
        return [
            {
                "initial": array(output["initial"]),
                "steps": [
                    {
                        "uniform": array(step["uniform"]),
                        **{name: step[name].tolist() for name in ("probe", "stop", "stopped")},
                    }
                    for step in output["steps"]
                ],
            }
            for output in recorder.outputs
        ]

    return Case(
        "reagent",
        {**options, "max_probe_steps": 4, "num_probes": 3},
        around=recorder.recording,
        reference=None,
        arrays=lambda tensor: {"scores": tensor[:, :, 0]},
        extra={"outputs": outputs},
    )


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
