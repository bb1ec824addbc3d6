"""The peer: Inseq on the same weights, as a worker that answers JSON lines.

A request is one line on stdin, `{"id": n, "command": …, …}`; the answer is one line on stdout with the same id and either
`result` or `error`. The process stays alive between requests, so import and model loading are never part of a timing,
and runs can alternate with another program's.

    python peer.py --gguf SmolLM2-135M-Instruct.Q4_1.gguf --threads 2
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import platform
import sys
import time
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from itertools import cycle
from pathlib import Path
from unittest.mock import patch

import exact
import numpy
import torch

PACKAGES = ("torch", "inseq", "transformers", "captum", "tokenizers", "gguf", "numpy")


def load(gguf: str, threads: int):
    """The Inseq model over a GGUF file, dequantised to float32. Attention is what Inseq itself asks for: eager."""
    import inseq
    import transformers

    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(threads)
    path = Path(gguf).resolve()
    model = inseq.load_model(
        str(path.parent),
        "saliency",
        device="cpu",
        model_kwargs={"gguf_file": path.name, "dtype": torch.float32},
        tokenizer_kwargs={"gguf_file": path.name},
    )
    dtypes = {str(parameter.dtype) for parameter in model.model.parameters()}
    if dtypes != {"torch.float32"}:
        raise RuntimeError(f"expected float32 weights, found {sorted(dtypes)}")
    return model


# Options that an attribution method takes when it is made; all others go to its `attribute` (Inseq tells them apart by signature).
CONSTRUCTOR = {
    "target_layer",
    "multiply_by_inputs",
    "cache_dir",
    "mask_prob",
    "keep_top_n",
    "keep_ratio",
    "invert_keep",
    "stopping_condition_top_k",
    "replacing_ratio",
    "max_probe_steps",
    "num_probes",
}


def attribute(
    model,
    ids: list[int],
    prompt_length: int,
    method: str,
    step: str,
    step_scores: list[str] = [],
    options: dict = {},
    step_options: dict = {},
    step_scores_options: dict = {},
):
    """Attributes exactly these ids with Inseq's own loop; ids never pass through text.

    `model.attribute(text, text)` tokenises the text again, which need not give the same ids back. It then does what is
    done here: an Inseq BatchEncoding, embedded by Inseq, given to the attribution method's own `attribute`.
    """
    from inseq.data import BatchEncoding

    # crossentropy fails in Inseq 0.7.1 for one sequence (it drops the target's batch dimension). Inseq's log p has the
    # same gradient but for the sign, which neither the absolute value nor the norm keeps.
    step_options = dict(step_options)
    if step == "crossentropy":
        step, step_options["logprob"] = "probability", True
    feature = model.get_attribution_method(method, **{k: v for k, v in options.items() if k in CONSTRUCTOR})
    tensor = torch.tensor([ids])
    encoding = BatchEncoding(
        input_ids=tensor,
        attention_mask=torch.ones_like(tensor),
        input_tokens=model.convert_ids_to_tokens(tensor, skip_special_tokens=False),
        baseline_ids=torch.tensor([baseline_ids(model, ids)]),
    )
    batch = model.formatter.prepare_inputs_for_attribution(model, encoding)
    return feature.attribute(
        batch,
        attributed_fn=model.get_attributed_fn(step),
        attr_pos_start=prompt_length,
        show_progress=False,
        pretty_progress=False,
        # The per-step outputs are what the sequence output is made of. We read those: when it assembles the sequence,
        # Inseq drops every token that equals the pad token, and here that is <|im_end|>, which chat prompts contain.
        output_step_attributions=True,
        step_scores=step_scores,
        # A dict of our own each time: occlusion writes into it, and Inseq's default is one dict for all calls.
        attribution_args={k: v for k, v in options.items() if k not in CONSTRUCTOR},
        attributed_fn_args=step_options,
        step_scores_args=dict(step_scores_options),
    )


@contextmanager
def given_draws(coefficients: list[float] | None, masks: list[list[int]] | None):
    """Every output gets these where Inseq draws at random: GradientSHAP's places on the line, and which tokens LIME keeps."""
    with ExitStack() as stack:
        if coefficients is not None:
            stack.enter_context(patch.object(numpy.random, "uniform", lambda *_: numpy.array(coefficients)))
        if masks is not None:
            rows = cycle(torch.tensor(masks))
            stack.enter_context(patch.object(torch, "multinomial", lambda _, count, replacement: next(rows)[:count]))
        yield


def baseline_ids(model, ids: list[int]) -> list[int]:
    """As Inseq's `encode`: the unknown token everywhere, but an end token stays."""
    return [identifier if identifier == model.eos_token_id else model.tokenizer.unk_token_id for identifier in ids]


def step_attributions(out, ids: list[int], prompt_length: int, contrastive: bool = False) -> list:
    """What Inseq made for each output, [positions before it, …], after checking that it is about these tokens."""
    steps = out.step_attributions
    if len(steps) != len(ids) - prompt_length:
        raise RuntimeError(f"Inseq made {len(steps)} steps for {len(ids) - prompt_length} outputs")
    for column, item in enumerate(steps):
        position = prompt_length + column
        prefix, target = [token.id for token in item.prefix[0]], item.target[0][0].id
        # With a contrastive target Inseq puts a text "this → that" in the target's place.
        if prefix != ids[:position] or (target != ids[position] and not contrastive):
            raise RuntimeError(f"Inseq attributed other tokens than the given ones at output {column}")
        length = item.target_attributions[0].shape[0]
        if length != position:
            raise RuntimeError(f"Inseq scored {length} positions at output {column}, expected {position}")
    return [item.target_attributions[0] for item in steps]


def scores(out, ids: list[int], prompt_length: int, reduce: str | None = None, contrastive: bool = False):
    """[sequence, outputs] float32, not normalised; 0 where Inseq has no score.

    Reduced as Inseq does by default: the L2 norm over an embedding dimension, the mean over layers and heads. `reduce`
    may be "norm", "sum", "mean" or "none".
    """
    items = step_attributions(out, ids, prompt_length, contrastive)
    if reduce is None:
        reduce = "mean" if out.step_attributions[0]._num_dimensions else "norm"
    result = None
    for column, item in enumerate(items):
        axes = tuple(range(1, item.ndim))
        if axes and reduce == "norm":
            item = torch.linalg.vector_norm(item, ord=2, dim=axes)
        elif axes and reduce != "none":
            item = getattr(item, reduce)(axes)
        if result is None:
            result = torch.zeros(len(ids), len(items), *item.shape[1:], dtype=item.dtype)
        result[: prompt_length + column, column] = item
    return result


def deltas(model, out, ids: list[int], prompt_length: int):
    """[outputs] float32: by how much the scores' sums miss the change of the probability from the baseline."""
    sums = torch.stack([item.sum(dtype=torch.float64) for item in step_attributions(out, ids, prompt_length)])
    target = torch.tensor([ids])
    change = 0
    for sign, tokens in ((1, target), (-1, torch.tensor([baseline_ids(model, ids)]))):
        with torch.no_grad():
            logits = model.model(inputs_embeds=model.embed(tokens), use_cache=False).logits[0, prompt_length - 1 : -1]
        change += sign * logits.double().softmax(-1).gather(-1, target[0, prompt_length:, None])[:, 0]
    return (sums - change).float()


def step_scores(out, name: str):
    """[outputs] float32."""
    return torch.stack([item.step_scores[name].reshape(()) for item in out.step_attributions])


def greedy(model, ids: list[int], count: int) -> list[int]:
    """The greedy continuation by transformers, without the end token."""
    tensor = torch.tensor([ids])
    sequence = model.model.generate(
        tensor, attention_mask=torch.ones_like(tensor), max_new_tokens=count, do_sample=False
    )[0, len(ids) :].tolist()
    return sequence[:-1] if sequence and sequence[-1] == model.eos_token_id else sequence


def encode(tensor) -> str:
    return base64.b64encode(tensor.contiguous().numpy().astype("<f4").tobytes()).decode()


def unhook(model) -> None:
    """A failed method leaves its hooks behind, and later calls would run into them."""
    for module in model.modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            for name in [name for name, hook in hooks.items() if hook.__module__.startswith("inseq")]:
                del hooks[name]
    sys.settrace(None)


def decode(text: str):
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.float32)


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def peak_memory() -> int | None:
    """The largest resident size in bytes since the last reset; None where /proc is missing."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def reset_peak_memory() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


class Worker:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.model = load(options.gguf, options.threads)

    def about(self) -> dict:
        return {
            "versions": versions(),
            "threads": torch.get_num_threads(),
            "capability": torch.backends.cpu.get_cpu_capability(),
            "attention": self.model.model.config._attn_implementation,
            "gguf": {"file": Path(self.options.gguf).name, "sha256": sha256(self.options.gguf)},
        }

    def attribute(
        self,
        ids: list[int],
        promptLength: int,  # noqa: N803
        method: str,
        step: str,
        repeat: int = 1,
        options: dict = {},
        coefficients: list[float] | None = None,
        masks: list[list[int]] | None = None,
        convergence: bool = False,
    ) -> dict:
        reset_peak_memory()
        seconds, out = [], None
        for _ in range(repeat):
            out = None
            with given_draws(coefficients, masks):
                start = time.perf_counter()
                try:
                    out = attribute(self.model, ids, promptLength, method, step, options=options)
                except Exception:
                    unhook(self.model.model)
                    raise
                seconds.append(time.perf_counter() - start)
        peak = peak_memory()
        matrix = scores(out, ids, promptLength)
        answer = {"seconds": seconds, "shape": list(matrix.shape), "scores": encode(matrix), "peakBytes": peak}
        return {**answer, "deltas": encode(deltas(self.model, out, ids, promptLength))} if convergence else answer

    def reference(self, **request) -> dict:
        """In float64. After the first, this process is good for references only."""
        matrix = exact.gradients(self.model, **self.in_float64(**request))
        return {"shape": list(matrix.shape), "scores": encode(matrix)}

    def sensitivity(self, outputs: list[int], **request) -> dict:
        return {"moved": exact.sensitivity(self.model, **self.in_float64(**request), outputs=outputs)}

    def in_float64(
        self,
        ids: list[int],
        promptLength: int,  # noqa: N803
        method: str,
        step: str,
        options: dict = {},
        coefficients: list[float] | None = None,
        **_,
    ) -> dict:
        """What exact.py takes, and the model turned to float64."""
        if self.model.model.dtype != torch.float64:
            exact.to_float64(self.model.model)
        request = {"ids": ids, "prompt_length": promptLength, "method": method, "step": step}
        if method == "gradient_shap":
            return {**request, "baseline": baseline_ids(self.model, ids), "places": coefficients}
        if method == "integrated_gradients":
            places, weights = exact.path(options["n_steps"])
            return {**request, "baseline": baseline_ids(self.model, ids), "places": places, "weights": weights}
        return request


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    # Libraries may print; the channel must carry our lines only.
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker(options)
    channel.write(json.dumps({"id": 0, "result": worker.about()}) + "\n")
    commands = {"attribute": worker.attribute, "reference": worker.reference, "sensitivity": worker.sensitivity}
    for line in sys.stdin:
        request = json.loads(line)
        identifier, command = request.pop("id"), request.pop("command")
        try:
            answer = {"id": identifier, "result": commands[command](**request)}
        except Exception as error:  # noqa: BLE001 - the caller decides
            answer = {"id": identifier, "error": f"{type(error).__name__}: {error}"}
        channel.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
