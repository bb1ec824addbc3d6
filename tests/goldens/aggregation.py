"""Makes aggregation.json: what our aggregations are compared with, by Inseq 0.7.1's own aggregators.

    npm run bench -- --setup          # once; prints the environment's Python
    <that python> tests/goldens/aggregation.py

Attributions of random scores, seeded, in Inseq's form: NaN where a position does not come before the output. Each case
has steps as our `aggregate` takes them, and what Inseq makes of them, NaN as null. Three things of ours are asked of Inseq
in words of its own: scores are not normalised unless the case says so; a function is for the scores only, so that step
scores are taken from the same aggregation without one; and a regular expression is matched with the readable texts, so
that the tokens of attributions to split are these. Where Inseq is wrong, what it gives is under "defects".
"""

from __future__ import annotations

import json
from copy import copy
from importlib.metadata import version
from pathlib import Path

import torch
from inseq.data.aggregator import AggregatorPipeline, PairAggregator, StringSplitAggregator, SubwordAggregator
from inseq.data.attribution import (
    FeatureAttributionSequenceOutput,
    GranularFeatureAttributionSequenceOutput,
    MultiDimensionalFeatureAttributionSequenceOutput,
)
from inseq.utils import normalize, rescale
from inseq.utils.typing import TokenWithId

OUTPUT = Path(__file__).with_suffix(".json")
FUNCTIONS = ["absmax", "max", "mean", "min", "prod", "sum", "vnorm"]
STEPS = ["probability", "entropy", "crossentropy", "perplexity", "logit", "pcxmi", "kl_divergence", "contrast_prob"]

# Marked tokens; the bar is the end of the prompt. In the first and the fourth a word goes over it.
TEXTS = {
    "byte level": "The Ġun bel ievable Ġc | at Ġsat Ġqui et ly Ġnow",
    "sentencepiece": "▁A ▁lit tle ▁dog | ▁bark ed ▁lou d ly ▁twice",
    "other": "The Ġun bel ievable Ġd | og Ġsat Ġqui et ly Ġnow",
    "plain": "The␣ un bel ievable ␣c | at ␣sat, ␣qui et ly. ␣now",
}
DIMENSIONS = {"": [], "embedding": [5], "layer head": [2, 3]}

torch.manual_seed(20260131)


def tokens_of(text):
    prompt, target = (part.split() for part in text.split("|"))
    return [token.replace("␣", " ") for token in prompt + target], len(prompt)


def build(text, sizes, cls=FeatureAttributionSequenceOutput, scores=None, steps=None):
    tokens, start = tokens_of(text)
    count = len(tokens) - start
    if scores is None:
        scores = torch.randn(len(tokens), count, *sizes)
        for position in range(len(tokens)):
            for output in range(count):
                if position >= start + output:
                    scores[position, output] = float("nan")
    if steps is None:
        steps = {name: torch.rand(count) + (0 if name == "probability" else 0.5) for name in STEPS}
        steps["logit"] *= torch.tensor([-1.0, 1.0]).repeat(count)[:count]
    with_ids = [TokenWithId(token, index + 10) for index, token in enumerate(tokens)]
    return cls(
        source=with_ids[:start],
        target=with_ids,
        target_attributions=scores,
        step_scores=steps,
        sequence_scores={},
        attr_pos_start=start,
        **({"_num_dimensions": len(sizes)} if cls is MultiDimensionalFeatureAttributionSequenceOutput else {}),
    )


ATTRIBUTIONS = {
    f"{text} {dimension}".strip(): build(TEXTS[text], sizes) for text in TEXTS for dimension, sizes in DIMENSIONS.items()
}


def spans_of(step):
    return [tuple(span) for span in step["spans"]]


def take(attr, step, function):
    """One of our steps by Inseq."""
    options = {"do_post_aggregation_checks": False, **({"aggregate_fn": function} if function else {})}
    match step["by"]:
        case "scores":
            select = step.get("select")
            if isinstance(select, dict):
                select = (select["from"], select["to"])
            return attr.aggregate("scores", select_idx=select, normalize=False, **options)
        case "spans":
            return attr.aggregate("spans", target_spans=spans_of(step), **options)
        case "subwords":
            mark = "▁" if any(token.token.startswith("▁") for token in attr.target) else "Ġ"
            return attr.aggregate("subwords", special_chars=mark, **options)
        case "split":
            return attr.aggregate("split", split_pattern=step["pattern"], split_mode=step.get("mode", "single"), **options)
        case "slices":
            return attr.aggregate("slices", target_spans=spans_of(step), **options)
        case "pair":
            product = {} if function is None else {"aggregate_fn": lambda first, second: first * second}
            other = ATTRIBUTIONS[step["with"]]
            return PairAggregator.aggregate(attr, paired_attr=other, do_post_aggregation_checks=False, **product)
    raise ValueError(step)


def apply(attr, step):
    if isinstance(step, str):
        step = {"by": "subwords"} if step == "subwords" else {"by": "scores", "function": step}
    result = take(attr, step, step.get("function"))
    if step["by"] in ["spans", "subwords", "split"] and "function" in step:
        result.step_scores = take(attr, step, None).step_scores
    return result


def numbers(tensor):
    return [None if value != value else float(f"{value:.9g}") for value in tensor.flatten().tolist()]


def entry(attr):
    return {
        "tokens": [token.token for token in attr.target],
        "ids": [token.id for token in attr.target],
        "promptLength": attr.attr_pos_start,
        "shape": list(attr.target_attributions.shape),
        "scores": numbers(attr.target_attributions),
        "stepScores": {name: numbers(values) for name, values in attr.step_scores.items()},
    }


cases = []


def case(attribution, *steps, normalised=None, result=None):
    attr = ATTRIBUTIONS[attribution]
    if result is None:
        result = copy(attr)
        for step in steps:
            result = apply(result, step)
        if normalised:
            scale = {"inseq": normalize, "rescale": rescale}[normalised]
            result.target_attributions = scale(result.target_attributions.clone())
    assert result.attr_pos_end == len(result.target), (result.attr_pos_end, len(result.target))
    assert result.target_attributions.shape[0] == len(result.target)
    cases.append({"of": attribution, "steps": list(steps), "normalised": normalised, "result": entry(result)})


SPANS = [[[0, 2], [3, 5], [6, 8], [8, 11]], [[0, 3], [4, 6], [7, 10]], [[2, 9]], [[0, 6]], [[1, 2], [6, 7]], [[0, 11]], []]

for function in FUNCTIONS:
    case("byte level embedding", {"by": "scores", "function": function})
    case("byte level layer head", {"by": "scores", "function": function})
    case("byte level embedding", {"by": "scores", "function": function, "select": [4]})
    case("byte level embedding", function)
    for spans in SPANS:
        case("byte level", {"by": "spans", "function": function, "spans": spans})
    for dimension in ["embedding", "layer head"]:
        case(f"byte level {dimension}", {"by": "spans", "function": function, "spans": SPANS[1]})
    for text in ["byte level", "sentencepiece", "sentencepiece layer head"]:
        case(text, {"by": "subwords", "function": function})
    # Twice, with what the first left of an output's score for itself.
    for second in ["absmax", "mean", "vnorm"]:
        first = {"by": "spans", "function": function, "spans": [[3, 6], [7, 9]]}
        case("byte level", first, {"by": "spans", "function": second, "spans": [[1, 3], [5, 7]]})
        case("byte level", first, {"by": "spans", "function": second, "spans": [[3, 4], [5, 6]]})
for select in [0, 3, -1, [0, 2], [4, 1], [-1, 0], {"from": 1, "to": 4}, {"from": -3, "to": -1}, {"from": 0, "to": 5}]:
    for function in ["sum", "vnorm"]:
        case("byte level embedding", {"by": "scores", "function": function, "select": select})
for spans in SPANS:
    case("byte level", {"by": "spans", "spans": spans})
case("byte level", "subwords")
case("sentencepiece", "subwords")
for pattern in [" ", "[,.]", "un|bel", "e.*a", "[ei]", "e, q|sat", "l.", "t", "no such", "The unbel", "now", "c", "cat sat"]:
    for mode in ["single", "start", "end"]:
        case("plain", {"by": "split", "pattern": pattern, "mode": mode})
        case("plain layer head", {"by": "split", "pattern": pattern, "mode": mode, "function": "sum"})
for spans in [[[0, 2], [3, 4]], [[1, 3]], [[0, 5]], [[3, 8]], [[0, 1], [2, 11]], [[4, 5]]]:
    case("byte level", {"by": "slices", "spans": spans})
    case("byte level layer head", {"by": "slices", "spans": spans}, "mean", "max")
for dimension in ["", " embedding", " layer head"]:
    pair = {"by": "pair", "with": f"other{dimension}"}
    case(f"byte level{dimension}", pair)
    case(f"byte level{dimension}", {**pair, "function": "product"})
case("byte level embedding", {"by": "slices", "spans": [[1, 4]]}, "subwords", "vnorm")
case("byte level embedding", {"by": "subwords", "function": "sum"}, {"by": "scores", "function": "absmax", "select": [0, 1, 2]})
case("byte level embedding", {"by": "pair", "with": "other embedding"}, "vnorm", "subwords")
case("byte level layer head", "max", "mean", {"by": "spans", "function": "mean", "spans": [[0, 4]]}, {"by": "slices", "spans": [[0, 1]]})
for text in ["byte level", "byte level embedding", "byte level layer head"]:
    for scale in ["inseq", "rescale"]:
        case(text, normalised=scale)
        case(text, "subwords", normalised=scale)
        case(text, {"by": "spans", "function": "mean", "spans": SPANS[0]}, normalised=scale)

# Inseq's own pipelines and defaults, with the scores normalised or rescaled in the aggregator itself.
flat = {"do_post_aggregation_checks": False}
attr = ATTRIBUTIONS["byte level embedding"]
pipeline = AggregatorPipeline(["subwords", "vnorm"])
case("byte level embedding", "subwords", "vnorm", normalised="inseq", result=attr.aggregate(pipeline, special_chars="Ġ"))
case("byte level embedding", "mean", normalised="rescale", result=attr.aggregate("mean", normalize=False, rescale=True))
attr = ATTRIBUTIONS["byte level layer head"]
case("byte level layer head", "mean", normalised="inseq", result=attr.aggregate("mean", **flat))
multi = build(TEXTS["byte level"], [2, 3], MultiDimensionalFeatureAttributionSequenceOutput, attr.target_attributions, attr.step_scores)
default = entry(multi.aggregate())
unscaled = entry(multi.aggregate(normalize=False))

words = [["A", "Ġqui", "et", "ly"], ["A", "Ġqui", "et"]]
defects = {
    # The last token of a word at the very end is left out, or a word of two there altogether.
    "subwords": [
        {"tokens": tokens, "inseq": SubwordAggregator.get_spans([TokenWithId(token, 0) for token in tokens], "Ġ", False)}
        for tokens in words
    ],
    # Two matches that begin in one token make an empty span.
    "split": {
        "tokens": ["aba", "cd"],
        "pattern": "a(?!c)|ac",
        "inseq": StringSplitAggregator.get_spans([TokenWithId("aba", 0), TokenWithId("cd", 0)], "a(?!c)|ac"),
    },
}

# Last, as it changes the defaults of every attribution of this process.
attr = ATTRIBUTIONS["byte level embedding"]
granular = build(TEXTS["byte level"], [5], GranularFeatureAttributionSequenceOutput, attr.target_attributions, attr.step_scores)
embedding = entry(granular.aggregate())

golden = {
    "made by": {name: version(name) for name in ["inseq", "torch"]},
    "attributions": {name: entry(attr) for name, attr in ATTRIBUTIONS.items()},
    "cases": cases,
    "defaults": {"layer head": default, "layer head, not normalised": unscaled, "embedding": embedding},
    "defects": defects,
}
text = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))
OUTPUT.write_text(text.replace('{"of"', '\n{"of"') + "\n")
print(len(cases), "cases,", len(text), "bytes")
