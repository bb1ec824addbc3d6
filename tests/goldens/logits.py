# /// script
# requires-python = ">=3.10"
# dependencies = ["torch==2.13.0", "transformers==5.23.0", "gguf==0.19.0", "accelerate==1.15.0", "tokenizers==0.23.3"]
# ///
"""Reference logits for tests/models, by transformers.

    python3 -m venv .venv && .venv/bin/pip install torch==2.13.0 transformers==5.23.0 gguf==0.19.0 accelerate==1.15.0 tokenizers==0.23.3
    .venv/bin/python tests/goldens/logits.py SmolLM2-135M-Instruct.Q4_1.gguf

logits.json, of the default model: transformers reads the GGUF file by its own code and computes in float32. For each token of a text
but the first: its logit, and the logarithm of the sum of exponentials of all logits at its place.

gpt2.json: a small random GPT-2 as transformers saves it (files in base64), its logits and greedy continuations in float64, by activation.
Its weights are larger than a new model's, so that no part of it is all but linear.
"""

import base64
import hashlib
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

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
    default_model(Path(sys.argv[1]))
    with tempfile.TemporaryDirectory() as folder:
        gpt2(Path(folder))


def versions(*names):
    return {name: version(name) for name in names}


def gpt2(folder):
    torch.manual_seed(2019)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate([*alphabet, "<|endoftext|>"])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    end = len(alphabet)
    config = GPT2Config(vocab_size=end + 1, n_positions=24, n_embd=20, n_layer=2, n_head=4, n_inner=72, bos_token_id=end, eos_token_id=end)
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            norm = "ln_" in name and name.endswith("weight")
            spread = 0.2 if norm else 0.3 if name.endswith("bias") or "wpe" in name else 1.3 * weight.shape[0] ** -0.5 if "h." in name else 0.6
            weight.normal_(1 if norm else 0, spread)
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>", unk_token="<|endoftext|>"
    ).save_pretrained(folder)

    model = model.double()
    ids = torch.randint(0, end + 1, (3, config.n_positions))
    cases = []
    for activation in ["gelu_new", "gelu"]:
        activated = GPT2LMHeadModel(GPT2Config.from_dict({**config.to_dict(), "activation_function": activation})).double().eval()
        activated.load_state_dict(model.state_dict())
        with torch.no_grad():
            logits = activated(ids).logits
            greedy = activated.generate(ids[:, :12], attention_mask=torch.ones(3, 12), max_new_tokens=12, do_sample=False)
        assert end not in greedy[:, 12:], "take another seed: the continuation ends early"
        cases.append({"activation": activation, "ids": ids.tolist(), **of_tokens(ids, logits), "greedy": greedy[:, 12:].tolist()})
    # The folder as transformers wrote it, as text: tests unpack it.
    files = {path.name: base64.b64encode(path.read_bytes()).decode() for path in sorted(folder.iterdir())}
    golden = {"made by": versions("torch", "transformers", "tokenizers"), "files": files, "cases": cases}
    (GOLDENS / "gpt2.json").write_text(json.dumps(golden) + "\n")


def of_tokens(ids, logits):
    """ids [..., length], logits [..., length, vocabulary], in float64."""
    chosen = logits[..., :-1, :].gather(-1, ids[..., 1:, None])[..., 0]
    return {"logit": chosen.tolist(), "normaliser": logits[..., :-1, :].logsumexp(-1).tolist()}


def default_model(path):
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    known = {case["text"]: case["ids"] for case in json.loads((GOLDENS / "tokenizer.json").read_text())["schemes"]["smollm"]}
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    cases = []
    for text in TEXTS:
        ids = known[text]
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0].double()
        cases.append({"ids": ids, **of_tokens(torch.tensor(ids), logits)})
    golden = {
        "made by": versions("torch", "transformers", "gguf", "accelerate"),
        "model": SHA256,
        "cases": cases,
    }
    (GOLDENS / "logits.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
