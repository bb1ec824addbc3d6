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
from importlib.metadata import version
from pathlib import Path

import exact
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


def attribute(model, ids: list[int], prompt_length: int, method: str, step: str, step_scores: list[str] = []):
    """Attributes exactly these ids with Inseq's own loop; ids never pass through text.

    `model.attribute(text, text)` tokenises the text again, which need not give the same ids back. It then does what is
    done here: an Inseq BatchEncoding, embedded by Inseq, given to the attribution method's own `attribute`.
    """
    from inseq.data import BatchEncoding

    # crossentropy fails in Inseq 0.7.1 for one sequence (it drops the target's batch dimension). Inseq's log p has the
    # same gradient but for the sign, which neither the absolute value nor the norm keeps.
    step_args = {}
    if step == "crossentropy":
        step, step_args = "probability", {"logprob": True}
    feature = model.get_attribution_method(method)
    tensor = torch.tensor([ids])
    encoding = BatchEncoding(
        input_ids=tensor,
        attention_mask=torch.ones_like(tensor),
        input_tokens=model.convert_ids_to_tokens(tensor, skip_special_tokens=False),
        baseline_ids=torch.full_like(tensor, model.tokenizer.unk_token_id),
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
        attributed_fn_args=step_args,
    )


def scores(out, ids: list[int], prompt_length: int):
    """[sequence, outputs] float32: L2 norm over the embedding dimension, not normalised; 0 where Inseq has no score."""
    steps = out.step_attributions
    if len(steps) != len(ids) - prompt_length:
        raise RuntimeError(f"Inseq made {len(steps)} steps for {len(ids) - prompt_length} outputs")
    result = torch.zeros(len(ids), len(steps))
    for column, item in enumerate(steps):
        position = prompt_length + column
        prefix, target = [token.id for token in item.prefix[0]], item.target[0][0].id
        if prefix != ids[:position] or target != ids[position]:
            raise RuntimeError(f"Inseq attributed other tokens than the given ones at output {column}")
        gradient = item.target_attributions[0]
        if gradient.shape[0] != position:
            raise RuntimeError(f"Inseq scored {gradient.shape[0]} positions at output {column}, expected {position}")
        result[:position, column] = torch.linalg.vector_norm(gradient, ord=2, dim=-1)
    return result


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

    def attribute(self, ids: list[int], promptLength: int, method: str, step: str, repeat: int = 1) -> dict:  # noqa: N803
        reset_peak_memory()
        seconds, out = [], None
        for _ in range(repeat):
            out = None
            start = time.perf_counter()
            out = attribute(self.model, ids, promptLength, method, step)
            seconds.append(time.perf_counter() - start)
        peak = peak_memory()
        matrix = scores(out, ids, promptLength)
        return {"seconds": seconds, "shape": list(matrix.shape), "scores": encode(matrix), "peakBytes": peak}

    def reference(self, ids: list[int], promptLength: int, method: str, step: str) -> dict:  # noqa: N803
        """In float64. After the first, this process is good for references only."""
        if self.model.model.dtype != torch.float64:
            exact.to_float64(self.model)
        matrix = exact.gradients(self.model, ids, promptLength, method, step)
        return {"shape": list(matrix.shape), "scores": encode(matrix)}


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
    commands = {"attribute": worker.attribute, "reference": worker.reference}
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
