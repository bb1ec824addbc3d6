"""Makes methods.json and methods-gpt2.json: what every attribution method and step function is compared with.

    npm run bench -- --setup          # once; prints the environment's Python and the GGUF file
    <that python> tests/goldens/methods.py --gguf <that file> [--models gpt2] [--methods lime,steps]

What is not asked for stays as it is in methods.json. Each entry has what Inseq gives as it ships (`float32`) and, where it is
not too slow, a reference in float64: Inseq itself in float64, or a plain PyTorch loop. The field `about` says what Inseq really does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from pathlib import Path
from tempfile import gettempdir

os.environ.setdefault("INSEQ_HOME", str(Path(gettempdir()) / "inseq-goldens"))

import torch  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
import cases  # noqa: E402
import conventions  # noqa: E402
import exact  # noqa: E402
import gpt2  # noqa: E402
import peer  # noqa: E402
import steps  # noqa: E402
from case import array  # noqa: E402
from network import Network  # noqa: E402

TARGET = Path(__file__).with_suffix(".json")
TEXT = "After the long winter the children ran down to the river to see whether the"
OUTPUTS = 4
# Contrasts: another continuation of as many tokens, and a shorter prompt.
OTHER = " snow was still there"
SHORT = "The children ran down to the river to see whether the"
SMALLEST_MARGIN = 1e-2
# What tells entries apart.
KEY = ("model", "method", "name", "contrast", "step", "options", "stepOptions")


class Subject:
    """A model and the sequence that is attributed on it."""

    def __init__(self, name: str, model, ids: list[int], length: int, contrasts: dict[str, list[int]]) -> None:
        self.name, self.model, self.ids, self.length, self.contrasts = name, model, ids, length, contrasts
        self.baseline = peer.baseline_ids(model, ids)
        with torch.no_grad():
            self.hf_logits = model.model(torch.tensor([ids])).logits[0]
        self.network = Network(model.model)
        logits = self.network.forward(self.network.embeddings[torch.tensor(ids)])
        error = float((logits - self.hf_logits).abs().max() / logits.abs().max())
        if error > 1e-5:
            raise SystemExit(f"{name}: network.py is {error:.1e} from transformers")
        text = model.tokenizer.decode(ids)
        encoding = model.encode([text], return_baseline=True)
        if encoding.input_ids[0].tolist() != ids or encoding.baseline_ids[0].tolist() != self.baseline:
            raise SystemExit(f"{name}: ids or baseline ids are not those that Inseq makes of the text")
        probability = logits[length - 1 : -1].softmax(-1).gather(-1, torch.tensor(ids[length:])[:, None])[:, 0]
        self.about = {
            "text": text,
            "ids": ids,
            "promptLength": length,
            "baselineIds": self.baseline,
            "unk": model.tokenizer.unk_token_id,
            "eos": model.eos_token_id,
            "pad": model.tokenizer.pad_token_id,
            "special": sorted(model.special_tokens_ids),
            "contrasts": steps.contrasts(self),
            "probability": [round(float(p), 6) for p in probability],
        }


def subject(name: str, options) -> Subject:
    if name == "gpt2":
        torch.set_num_threads(1)
        contrasts = {"other": gpt2.PROMPT + gpt2.CONTRAST, "prefix": gpt2.CONTRAST_PROMPT + gpt2.OUTPUTS}
        return Subject(name, gpt2.load(), gpt2.PROMPT + gpt2.OUTPUTS, len(gpt2.PROMPT), contrasts)
    model = peer.load(options.gguf, options.threads)
    prompt = model.tokenizer(TEXT).input_ids
    ids = prompt + peer.greedy(model, prompt, OUTPUTS)
    best = model.model(torch.tensor([ids])).logits[0, len(prompt) - 1 : -1].topk(2).values
    margin = float((best[:, 0] - best[:, 1]).min())
    if len(prompt) < 14 or len(ids) != len(prompt) + OUTPUTS or margin < SMALLEST_MARGIN:
        raise SystemExit(f"choose another text: {len(prompt)} tokens, {len(ids)} in all, margin {margin:.1e}")
    other, prefix = (model.tokenizer(text).input_ids for text in (TEXT + OTHER, SHORT))
    if len(other) != len(ids):
        raise SystemExit(f"the other continuation has {len(other) - len(prompt)} tokens")
    return Subject(name, model, ids, len(prompt), {"other": other, "prefix": prefix + ids[len(prompt) :]})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--models", default="gpt2,smollm2")
    parser.add_argument("--methods", help="only these")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")

    gpt2.write(TARGET.with_name("methods-gpt2.json"))
    wanted = options.methods.split(",") if options.methods else None
    print(f"{'model':8} {'method':34} {'seconds':>8} {'from float64':>13}  options")
    for name in options.models.split(","):
        one = subject(name, options)
        made = {"models": {name: one.about}, "random": {}, "steps": [], "entries": []}
        if wanted is None or "steps" in wanted:
            made["steps"] = steps.scores(one, array)
            if name == "gpt2":
                made["steps"].append(steps.dropout(gpt2.load, one.ids, one.length, array))
            for entry in made["steps"]:
                report({**entry, "method": entry["name"], "step": entry["contrast"] or "-"})
        chosen = [case for case in cases.plan(one) if wanted is None or case.method in wanted]
        made["entries"] = [started(case, one) for case in chosen]
        made["random"][name] = {key: array(value) for case in chosen for key, value in case.random.items()}
        exact.to_float64(one.model.model)
        for case, entry in zip(chosen, made["entries"]):
            case.finish(one, entry)
            report(entry)
        write(made, options, all_of=name if wanted is None else None)


def write(made: dict, options, all_of: str | None) -> None:
    """Puts what was made in the place of what was there; of the model `all_of`, nothing else stays."""
    order = {name: index for index, name in enumerate(cases.METHODS)}
    old = json.loads(TARGET.read_text()) if TARGET.exists() else {}

    def merged(name: str, key, place) -> list[dict]:
        kept = [entry for entry in old.get(name, []) if entry["model"].split()[0] != all_of]
        return sorted({key(entry): entry for entry in kept + made[name]}.values(), key=place)

    def key(entry: dict) -> str:
        return json.dumps([value for name, value in entry.items() if name in KEY])

    result = {
        "about": {
            "made": "tests/goldens/methods.py",
            "versions": peer.versions(),
            "threads": options.threads,
            "capability": torch.backends.cpu.get_cpu_capability(),
            "gguf": {"file": Path(options.gguf).name, "sha256": peer.sha256(options.gguf)},
            **conventions.ABOUT,
            **{f"steps.{name}": text for name, text in steps.ABOUT.items()},
        },
        "models": {**old.get("models", {}), **made["models"]},
        "random": {
            **old.get("random", {}),
            **{name: {**old.get("random", {}).get(name, {}), **new} for name, new in made["random"].items()},
        },
        "steps": merged("steps", key, lambda entry: entry["model"]),
        "entries": merged("entries", key, lambda entry: (order[entry["method"]], entry["model"])),
    }
    TARGET.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size / 1e6:.2f} MB, {len(result['entries'])} entries")


def started(case, one: Subject) -> dict:
    print(f"{one.name} {case.method} …", end="\r", file=sys.stderr, flush=True)
    return case.start(one)


def report(entry: dict) -> None:
    errors = []
    for name, array in entry.get("float32", {}).items():
        if name in entry.get("float64", {}) and name != "deltas":
            single, double = (peer.decode(a["data"]) for a in (array, entry["float64"][name]))
            errors.append(float((single - double).abs().max() / double.abs().max()))
    error = f"{max(errors):.1e}" if errors else "-"
    seconds = f"{entry['seconds']:.2f}" if "seconds" in entry else "-"
    print(
        f"{entry['model']:8} {entry['method']:34} {seconds:>8} {error:>13}  {json.dumps(entry['options'])}"
        f" {entry['step'] if entry['step'] != 'probability' else ''} {entry.get('error', '')[:90]}"
    )


if __name__ == "__main__":
    main()
