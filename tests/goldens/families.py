# /// script
# requires-python = ">=3.10"
# dependencies = ["torch==2.13.0", "transformers==5.23.0", "gguf==0.19.0", "accelerate==1.15.0", "safetensors"]
# ///
"""What transformers computes for a small random model of each family, for tests/models/families-peer.test.ts.

    python3 -m venv .venv && .venv/bin/pip install torch==2.13.0 transformers==5.23.0 gguf==0.19.0 accelerate==1.15.0
    .venv/bin/python tests/goldens/families.py

Weights are not stored: value k of the tensor with seed s is a hash of both (`uniform`), which the test computes anew. Of each
model: config.json; the tensors' names and shapes as `save_pretrained` writes them; for several prompts of different lengths, run as
one left-padded batch: at each position the logit of the next token and the logarithm of the sum of exponentials, all logits at the
last position, and its largest logit's gradient by the input embeddings; a greedy continuation without key/value cache. All in float64
(bench/peer/exact.py), and how far transformers is from that in float32, which is up to 2e-5 here; eager attention where it is right.

Where llama.cpp knows the architecture there is also a GGUF file's content: metadata, and of each tensor its name in gguf-py's table,
and how it is made of the folder's. transformers' own reader of GGUF, where it has one for the architecture, must get the same logits
from that file, or this script fails.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from safetensors.numpy import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from family_configs import FAMILIES, Family

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench" / "peer"))
import exact  # noqa: E402

OUT = Path(__file__).parent / "families.json"
LENGTHS = [1, 6, 17, 29]
GREEDY = 10


def uniform(seed: int, count: int) -> np.ndarray:
    """Numbers in [-1, 1) with 24 bits, so that float32 has them exactly."""
    k = np.arange(count, dtype=np.uint64)
    x = (k * 2654435761 + seed * 40503 + 12345) & 0xFFFFFFFF
    x ^= x >> 15
    x = (x * 2246822519) & 0xFFFFFFFF
    x ^= x >> 13
    x = (x * 3266489917) & 0xFFFFFFFF
    x ^= x >> 16
    return (x >> 8).astype(np.float64) / 2**23 - 1


def scale_of(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Offset and power-of-two spread: large enough that no part of the model is all but linear."""
    if "norm" in name or "ln_" in name or "layernorm" in name:
        return (1.0, 0.25) if name.endswith("weight") else (0.0, 0.25)
    if len(shape) == 1:
        return 0.0, 0.25
    if "embed" in name or "wte" in name or "wpe" in name:
        return 0.0, 1.0
    return 0.0, 2.0 ** round(math.log2(3 / math.sqrt(shape[-1])))


def values(entry: dict) -> np.ndarray:
    count = int(np.prod(entry["shape"]))
    return (entry["offset"] + entry["spread"] * uniform(entry["seed"], count)).astype(np.float32).reshape(entry["shape"])


def write_folder(family: Family, folder: Path) -> list[dict]:
    config = AutoConfig.for_model(family.model_type, **family.settings)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    names = load_file(folder / "model.safetensors")
    entries = []
    for seed, (name, tensor) in enumerate(sorted(names.items())):
        offset, spread = scale_of(name, tensor.shape)
        if family.norms_from_zero and offset:
            offset = 0.0
        entries.append({"name": name, "shape": list(tensor.shape), "seed": seed, "offset": offset, "spread": spread})
    save_file({entry["name"]: values(entry) for entry in entries}, folder / "model.safetensors", metadata={"format": "pt"})
    return entries


def load(family: Family, folder: Path, **more):
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation=family.attention, dtype=torch.float32, **more).eval()
    model.generation_config.eos_token_id = None
    return model


def padded(model, sequences: list[list[int]], embeds_grad: bool = False):
    length = max(map(len, sequences))
    ids = torch.tensor([[0] * (length - len(s)) + s for s in sequences])
    mask = torch.tensor([[0] * (length - len(s)) + [1] * len(s) for s in sequences])
    embeds = model.get_input_embeddings()(ids).detach().requires_grad_(embeds_grad)
    arguments = {"inputs_embeds": embeds, "attention_mask": mask, "use_cache": False}
    if model.config.model_type != "bloom":  # its positions come from the mask alone
        arguments["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
    return model(**arguments).logits, embeds


def batches(model, sequences: list[list[int]], switch: int):
    """Of each sequence its logits [tokens, vocabulary], their batch's embeddings, and its row there."""
    groups = [sequences] if not switch else [[s for s in sequences if len(s) <= switch], [s for s in sequences if len(s) > switch]]
    for group in groups:
        logits, embeds = padded(model, group, embeds_grad=True)
        for row, sequence in enumerate(group):
            yield sequence, logits[row, -len(sequence) :], embeds, row


def reference(model, vocabulary: int, switch: int = 0) -> dict:
    sequences = [[int(i) for i in (uniform(1000 + n, n) + 1) / 2 * vocabulary] for n in LENGTHS]
    cases = []
    for sequence, own, embeds, row in batches(model, sequences, switch):
        n = len(sequence)
        alone = model(input_ids=torch.tensor([sequence]), use_cache=False).logits[0]
        assert (own - alone).abs().max() <= 1e-5 * alone.abs().max(), "left padding changes the logits"
        top = own[-1].argmax()
        (gradient,) = torch.autograd.grad(own[-1, top], embeds, retain_graph=True)
        if switch and n > switch:  # what comes before the switch is read as the text was that long
            own = torch.cat([model(input_ids=torch.tensor([sequence[:switch]]), use_cache=False).logits[0], own[switch:]])
        targets = torch.tensor(sequence[1:], dtype=torch.long)
        cases.append(
            {
                "ids": sequence,
                "logit": own[:-1].gather(1, targets[:, None])[:, 0].tolist(),
                "normaliser": own.logsumexp(-1).tolist(),
                "last": own[-1].tolist(),
                "top": int(top),
                "gradient": gradient[row, -n:].flatten().tolist(),
            }
        )
    prompt = torch.tensor([sequences[1]])
    options = {"attention_mask": torch.ones_like(prompt), "do_sample": False, "max_new_tokens": GREEDY, "pad_token_id": 0}
    greedy = model.generate(prompt, **options, use_cache=False)
    if switch:
        assert prompt.shape[1] < switch < greedy.shape[1] and torch.equal(greedy, model.generate(prompt, **options, use_cache=True))
    return {"cases": cases, "greedy": greedy[0, prompt.shape[1] :].tolist()}


def apart(single: dict, double: dict) -> dict:
    """The largest difference, as a share of the largest value, over the cases."""

    def most(key: str) -> float:
        pairs = [(np.array(one[key]), np.array(other[key])) for one, other in zip(single["cases"], double["cases"], strict=True) if other[key]]
        return max(np.abs(one - other).max() / np.abs(other).max() for one, other in pairs)

    assert [case["top"] for case in single["cases"]] == [case["top"] for case in double["cases"]]
    return {"logits": max(most("logit"), most("normaliser"), most("last")), "gradients": most("gradient")}


# ---- GGUF --------------------------------------------------------------------------------------------------------

def how(values: np.ndarray, recipe: list) -> np.ndarray:
    """What llama.cpp's converter does to a tensor; tests/models/family-files.ts does the same."""
    kind, *arguments = recipe
    if kind == "same":
        return values
    if kind == "plus":
        return values + np.float32(1)
    if kind == "transpose":
        return np.ascontiguousarray(values.T)
    if kind == "interleave":  # rotary halves → pairs
        (heads,) = arguments
        dim = values.shape[0] // heads
        return values.reshape(heads, 2, dim // 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
    if kind == "ungroup":  # [groups, queries + key + value] → queries, keys, values
        groups, queries = arguments
        dim = values.shape[0] // (groups * (queries + 2))
        parts = values.reshape(groups, queries + 2, dim, *values.shape[1:])
        return np.concatenate([parts[:, a:b].reshape(-1, *values.shape[1:]) for a, b in [(0, queries), (queries, queries + 1), (queries + 1, queries + 2)]])
    raise ValueError(kind)


def gguf_tensors(family: Family, entries: list[dict]) -> list[dict]:
    architecture = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == family.gguf.architecture)
    table = gguf.get_tensor_name_map(architecture, family.config_layers)
    tensors, experts = [], {}
    for entry in entries:
        name = entry["name"]
        made = family.gguf.experts(name) if family.gguf.experts else None
        if made:
            experts.setdefault(made[0], {})[made[1]] = entry
            continue
        base, dot, kind = name.rpartition(".")
        if kind not in ("weight", "bias"):
            base, dot, kind = name, ".", "weight"
        mapped = table.get_name(base) or table.get_name(base.removeprefix("transformer."))  # BLOOM's own checkpoints have no prefix
        assert mapped, f"gguf-py has no name for {name}"
        recipe = family.gguf.recipe(name)
        shape = list(how(values(entry), recipe).shape)
        if family.gguf.flattened(name):
            shape = shape[1:]
        tensors.append({"name": f"{mapped}.{kind}", "shape": shape, "from": [name], "how": recipe})
    for base, parts in experts.items():
        mapped = table.get_name(base)
        assert mapped, f"gguf-py has no name for {base}"
        names = [parts[i]["name"] for i in range(len(parts))]
        tensors.append({"name": f"{mapped}.weight", "shape": [len(parts), *parts[0]["shape"]], "from": names, "how": ["same"]})
    return sorted(tensors, key=lambda tensor: tensor["name"])


def write_gguf(family: Family, entries: list[dict], tensors: list[dict], path: Path) -> None:
    by_name = {entry["name"]: entry for entry in entries}
    writer = gguf.GGUFWriter(path, family.gguf.architecture)
    for key, value in family.gguf.metadata.items():
        writer.add_key_value(f"{family.gguf.architecture}.{key}", *typed(value))
    # A tokenizer, which transformers insists on.
    size = family.config["vocab_size"]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"t{i}" for i in range(size)])
    writer.add_token_merges([])
    writer.add_token_types([1] * size)
    for tensor in tensors:
        data = np.stack([values(by_name[name]) for name in tensor["from"]]) if len(tensor["from"]) > 1 else values(by_name[tensor["from"][0]])
        writer.add_tensor(tensor["name"], how(data, tensor["how"]).reshape(tensor["shape"]))
    for name, data in family.gguf.extra.items():
        writer.add_tensor(name, np.array(data, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def typed(value):
    kinds = gguf.GGUFValueType
    if isinstance(value, bool):
        return value, kinds.BOOL
    if isinstance(value, int):
        return value, kinds.UINT32
    return (value, kinds.FLOAT32) if isinstance(value, float) else (value, kinds.STRING)


def check_gguf(family: Family, folder: Path, entries: list[dict], tensors: list[dict], model) -> bool:
    """transformers reads the GGUF file, its settings aside, which it knows in part: the folder's are laid over them."""
    if not family.gguf.read_by_transformers:
        return False
    write_gguf(family, entries, tensors, folder / "model.gguf")
    read = load(family, folder, gguf_file="model.gguf", config=model.config)
    with torch.no_grad():
        ids = torch.arange(20)[None] % family.config["vocab_size"]
        expected, found = model(ids).logits, read(ids).logits
    assert (expected - found).abs().max() <= 1e-5 * expected.abs().max(), f"{family.name}: transformers reads other weights from GGUF"
    return True


def main() -> None:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    content = []
    for family in FAMILIES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            entries = write_folder(family, folder)
            model = load(family, folder)
            tensors = gguf_tensors(family, entries) if family.gguf else []
            checked = bool(tensors) and check_gguf(family, folder, entries, tensors, model)
            single = reference(model, family.config["vocab_size"], family.switch)
            exact.to_float64(model)
            double = reference(model, family.config["vocab_size"], family.switch)
            entry = {
                "name": family.name,
                "config": json.loads((folder / "config.json").read_text()),
                "tensors": entries,
                **double,
                "float32": apart(single, double),
            }
            if family.gguf:
                entry["gguf"] = {
                    "architecture": family.gguf.architecture,
                    "metadata": family.gguf.metadata,
                    "tensors": tensors,
                    "extra": family.gguf.extra,
                    "read_by_transformers": checked,
                }
            content.append(entry)
            print(family.name, "gguf" if family.gguf else "", flush=True)
    about = "made by tests/goldens/families.py with transformers " + transformers.__version__ + ", gguf 0.19.0"
    OUT.write_text(rounded({"about": about, "lengths": LENGTHS, "families": content}) + "\n")


def rounded(content) -> str:
    """JSON with as many digits as float32 has."""
    def short(value):
        if isinstance(value, float):
            return float(f"{value:.8g}")
        if isinstance(value, dict):
            return {key: item if key == "metadata" else short(item) for key, item in value.items()}
        return [short(item) for item in value] if isinstance(value, list) else value

    families = content.pop("families")
    lines = ",\n  ".join(json.dumps(short(family)) for family in families)
    return json.dumps(content)[:-1] + ', "families": [\n  ' + lines + "\n]}"


if __name__ == "__main__":
    main()
