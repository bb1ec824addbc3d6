"""Values of Inseq's step functions at each output, beside plain ones in float64."""

from __future__ import annotations

from contextlib import contextmanager

import peer
import torch

PLAIN = ("logit", "probability", "entropy", "crossentropy", "perplexity", "mc_dropout_prob_avg", "top_p_size")
CONTRASTIVE = (
    "contrast_logits",
    "contrast_prob",
    "contrast_logits_diff",
    "contrast_prob_diff",
    "pcxmi",
    "kl_divergence",
    "in_context_pvi",
)
ABOUT = {
    "contrast": (
        "An output at position p meets the contrast's token at p − (difference of lengths): sequences are aligned at their ends. "
        "As a step score the contrast's own prefix is run, and its own token taken. As the attributed function Inseq by default "
        "runs the original prefix and only takes the contrast's token; with contrast_force_inputs it runs the contrast's prefix "
        "from ids, a constant for the gradient. kl_divergence may be attributed only so."
    ),
    "units": (
        "entropy, crossentropy, in_context_pvi and kl_divergence in nats; pcxmi is −log₂(p / p_contrast), in_context_pvi "
        "−ln p + ln p_contrast: both negative where the original prefix helps. perplexity is 2^crossentropy, with crossentropy in "
        "nats. kl_divergence is Σ p (ln p − ln p_contrast)."
    ),
    "top": (
        "top_p_size: tokens left after dropping, from the least probable on, all whose cumulative probability is ≤ 1 − top_p. "
        "kl_divergence with top_p and/or top_k keeps tokens by the sum of both logit vectors (top_p on its softmax first, then "
        "top_k) and renormalises both distributions over them. Inseq then gives NaN, because −∞ − (−∞) is: the plain value leaves "
        "dropped tokens out."
    ),
    "crossentropy": "Inseq fails for one sequence of a decoder-only model, and so does perplexity, which uses it.",
    "mc_dropout_prob_avg": (
        "Not an average but a z-score: (p − mean) / standard deviation (of n − 1) of p over n_mcd_steps = 5 forward passes "
        "with dropout. 0/0, NaN, for a model without dropout. It also leaves the model in training mode for good."
    ),
}


def contrasts(subject) -> dict:
    """name → ids, each with the text that Inseq tokenises to the same ids."""
    return {name: {"ids": ids, "text": subject.model.tokenizer.decode(ids)} for name, ids in subject.contrasts.items()}


def plan(subject) -> list[tuple[str, str | None, dict]]:
    result = [(name, None, {"top_p": 0.9} if name == "top_p_size" else {}) for name in PLAIN]
    for contrast in subject.contrasts:
        result += [(name, contrast, {}) for name in CONTRASTIVE]
        result += [("kl_divergence", contrast, options) for options in ({"top_k": 10}, {"top_p": 0.9})]
        result.append(("kl_divergence", contrast, {"top_k": 10, "top_p": 0.9}))
    return result


def scores(subject, encode) -> list[dict]:
    result = []
    for name, contrast, options in plan(subject):
        entry = {"model": subject.name, "name": name, "contrast": contrast, "options": options}
        given = dict(options)
        if contrast:
            given["contrast_targets"] = subject.model.tokenizer.decode(subject.contrasts[contrast])
        try:
            with evaluating(subject.model):
                out = peer.attribute(
                    subject.model,
                    subject.ids,
                    subject.length,
                    "saliency",
                    "probability",
                    [name],
                    step_scores_options=given,
                )
            entry["float32"] = {"value": encode(peer.step_scores(out, name).float())}
        except Exception as error:  # noqa: BLE001 - what Inseq cannot do is a finding
            entry["error"] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
        if name != "mc_dropout_prob_avg":
            entry["float64"] = {"value": encode(plain(subject, name, contrast, **options))}
        result.append(entry)
    return result


@contextmanager
def evaluating(model):
    """mc_dropout_prob_avg leaves the model in training mode."""
    try:
        yield
    finally:
        model.eval()


def dropout(load, ids: list[int], length: int, encode) -> dict:
    """One sample of mc_dropout_prob_avg on GPT-2 with dropout 0.1."""
    model = load(0.1)
    torch.manual_seed(0)
    out = peer.attribute(model, ids, length, "saliency", "probability", ["mc_dropout_prob_avg"])
    value = {"value": encode(peer.step_scores(out, "mc_dropout_prob_avg"))}
    return {"model": "gpt2 with dropout 0.1", "name": "mc_dropout_prob_avg", "contrast": None, "options": {}, "float32": value}


@torch.no_grad()
def plain(subject, name: str, contrast: str | None, top_p: float = 1.0, top_k: int = 0) -> torch.Tensor:
    """[outputs], in float64."""

    def rows(ids: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        count = len(subject.ids) - subject.length
        logits = subject.network.forward(subject.network.embeddings[torch.tensor(ids)])
        return logits[-count - 1 : -1], torch.tensor(ids[-count:])[:, None]

    logits, ids = rows(subject.ids)
    values = {
        "logit": lambda x, i: x.gather(-1, i)[:, 0],
        "probability": lambda x, i: x.softmax(-1).gather(-1, i)[:, 0],
        "entropy": lambda x, i: -(x.softmax(-1) * x.log_softmax(-1)).sum(-1),
        "crossentropy": lambda x, i: -x.log_softmax(-1).gather(-1, i)[:, 0],
        "perplexity": lambda x, i: 2 ** -x.log_softmax(-1).gather(-1, i)[:, 0],
        "top_p_size": lambda x, i: kept(x, top_p).sum(-1),
    }
    if name in values:
        return values[name](logits, ids)
    other, other_ids = rows(subject.contrasts[contrast])
    logit, probability = ((values[key](logits, ids), values[key](other, other_ids)) for key in ("logit", "probability"))
    if name == "kl_divergence":
        keep = kept(logits + other, top_p)
        if top_k:
            # Ties with the k-th are kept.
            sums = (logits + other).masked_fill(~keep, -torch.inf)
            keep &= sums >= sums.topk(top_k).values[:, -1:]
        p, q = (x.masked_fill(~keep, -torch.inf).log_softmax(-1) for x in (logits, other))
        return torch.where(keep, p.exp() * (p - q), 0).sum(-1)
    return {
        "contrast_logits": logit[1],
        "contrast_prob": probability[1],
        "contrast_logits_diff": logit[0] - logit[1],
        "contrast_prob_diff": probability[0] - probability[1],
        "pcxmi": -torch.log2(probability[0] / probability[1]),
        "in_context_pvi": -probability[0].log() + probability[1].log(),
    }[name]


def kept(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    if top_p == 1.0:
        return torch.ones_like(logits, dtype=torch.bool)
    ascending, order = logits.sort()
    drop = ascending.softmax(-1).cumsum(-1) <= 1 - top_p
    drop[:, -1] = False
    return ~drop.scatter(-1, order, drop)
