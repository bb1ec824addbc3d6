# /// script
# requires-python = ">=3.10"
# dependencies = ["torch==2.13.0", "transformers==5.23.0", "gguf==0.19.0", "accelerate==1.15.0"]
# ///
"""Reference logits of the default model for tests/models/build.test.ts, written to tests/goldens/logits.json.

    python3 -m venv .venv && .venv/bin/pip install torch==2.13.0 transformers==5.23.0 gguf==0.19.0 accelerate==1.15.0
    .venv/bin/python tests/goldens/logits.py SmolLM2-135M-Instruct.Q4_1.gguf

transformers reads the GGUF file by its own code and computes in float32. For each token of a text but the first: its logit, and
the logarithm of the sum of exponentials of all logits at its place.
"""

import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

GOLDENS = Path(__file__).parent
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
TEXTS = [
    "The capital of France is",
    "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",
    "def f(x: int) -> int:\n    return x ** 2  # square\n",
    "Привет, мир!",
    "Ёлки-палки, съешь ещё этих мягких французских булок",
]


def main():
    path = Path(sys.argv[1])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    known = {case["text"]: case["ids"] for case in json.loads((GOLDENS / "tokenizer.json").read_text())["schemes"]["smollm"]}
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    cases = []
    for text in TEXTS:
        ids = known[text]
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, :-1].double()
        chosen = logits.gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
        cases.append({"ids": ids, "logit": chosen.tolist(), "normaliser": logits.logsumexp(1).tolist()})
    golden = {
        "made by": {name: version(name) for name in ["torch", "transformers", "gguf", "accelerate"]},
        "model": SHA256,
        "cases": cases,
    }
    (GOLDENS / "logits.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
