"""Makes gemma.json: Inseq's scores on Gemma 3 270M, for tests/peer/gemma.test.ts.

    npm run bench -- --setup          # once; prints the environment's Python
    <that python> tests/goldens/gemma.py --gguf gemma-3-270m-q4_k_m.gguf   # `tokenlense models pull gemma-3-270m` fetches it

For every prompt: ids, the greedy continuation (which is the forced target), and what each method gives, [sequence, outputs] as
little-endian float32 in base64: Inseq in float32 as it ships, on the weights that transformers reads from the same GGUF file; and the
gradients in float64: those of one pass, as Inseq's own are off by more than 1e-4 after few tokens (bench/peer/NOTES.md), and a path's, for
CPUs whose float32 softmax errs otherwise than that of the one which made this file.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
import exact  # noqa: E402
import peer  # noqa: E402

PROMPTS = {
    "english": "The capital of France is",
    "measure": "When the storm had finally passed, the old fisherman looked at his broken boat and decided that he would have to",
    "mixed": "Question: Wie heißt die Hauptstadt von 日本? 🏯\n\nAnswer:  It is",
}
OUTPUTS = 6
PATH = "integrated_gradients"
# Steps as captum counts them; ten show the definition as well as fifty.
METHODS = {
    "saliency": {},
    "input_x_gradient": {},
    "integrated_gradients": {"n_steps": 10},
    "occlusion": {},
    "attention": {},
}


def add_exact(model, entries: list[dict]) -> None:
    exact.to_float64(model.model)
    for entry in entries:
        entry["float64"] = {
            method: peer.encode(exact.gradients(model, entry["ids"], entry["promptLength"], method, "probability").float())
            for method in ("saliency", "input_x_gradient")
        }
        out = peer.attribute(model, entry["ids"], entry["promptLength"], PATH, "probability", [], METHODS[PATH])
        entry["float64"][PATH] = peer.encode(peer.scores(out, entry["ids"], entry["promptLength"]).float())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gguf", required=True)
    options = parser.parse_args()
    model = peer.load(options.gguf, 2)
    entries = []
    for name, text in PROMPTS.items():
        prompt = model.tokenizer(text).input_ids
        ids = prompt + peer.greedy(model, prompt, OUTPUTS)
        scores = {}
        for method, arguments in METHODS.items():
            steps = ["probability"] if method == "saliency" else []
            out = peer.attribute(model, ids, len(prompt), method, "probability", steps, arguments)
            scores[method] = peer.encode(peer.scores(out, ids, len(prompt)))
            if steps:
                scores["probability"] = peer.encode(peer.step_scores(out, "probability"))
        entries.append({"name": name, "text": text, "ids": ids, "promptLength": len(prompt), "scores": scores})
        print(name, len(prompt), model.tokenizer.decode(ids[len(prompt) :]), flush=True)
    add_exact(model, entries)
    about = {
        "made": "tests/goldens/gemma.py",
        "gguf": {"file": Path(options.gguf).name, "sha256": peer.sha256(options.gguf)},
        "versions": peer.versions(),
        "capability": torch.backends.cpu.get_cpu_capability(),
    }
    target = Path(__file__).with_suffix(".json")
    target.write_text(json.dumps({"about": about, "prompts": entries}, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
