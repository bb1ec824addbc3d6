"""The tokenizer as the files that a Hugging Face folder has, with its ids for some texts, to which Node holds its own library."""

import json
import shutil
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PretrainedConfig
from transformers.convert_slow_tokenizer import convert_slow_tokenizer

from .protocol import Refusal
from .source import Source, first_line

# Words, digits, spaces, marks, accents, scripts without spaces, characters of four bytes.
SAMPLES = [
    "The capital of France is Paris.",
    "In 1984, it's 3.14 (or 42%)?  Two  spaces\n\n\tand a tab: don't!",
    "Grüße, déjà vu; Привет мир. 東京は日本の首都です。 مرحبا 👋🏽",
    "def f(x):\n    return x ** 2  # snake_case, camelCase",
]


def save_tokenizer(source: Source, config: PretrainedConfig, folder: Path) -> list[dict[str, Any]]:
    """Writes tokenizer.json and its companions into `folder`; gives each sample with its ids."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.folder, **source.options)
    except Exception as error:  # whatever a tokenizer's own code, or a missing package, makes of it
        raise _refused(source, first_line(error)) from error
    if not tokenizer.is_fast:
        try:
            convert_slow_tokenizer(tokenizer).save(str(folder / "tokenizer.json"))
        except Exception as error:
            kind = type(tokenizer).__name__
            raise _refused(source, f"it has no tokenizer.json, and {kind} cannot be made one: {first_line(error)}") from error
    tokenizer.save_pretrained(folder)
    if not (folder / "tokenizer.json").is_file():
        raise _refused(source, f"{type(tokenizer).__name__} writes no tokenizer.json")
    # transformers leaves out of its config.json what is the architecture's default; Node does not know the defaults.
    tokens = {name: getattr(config, name, None) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    (folder / "config.json").write_text(json.dumps(tokens))
    generation = source.folder / "generation_config.json"
    if generation.is_file():
        shutil.copyfile(generation, folder / generation.name)
    samples = [{"text": text, "ids": tokenizer(text)["input_ids"]} for text in SAMPLES]
    # Where a folder has no vocabulary, transformers makes an empty tokenizer and says nothing.
    if not set(samples[0]["ids"]) - set(tokenizer.all_special_ids):
        raise _refused(source, "it knows no piece of a plain English sentence; its vocabulary may be missing")
    return samples


def _refused(source: Source, why: str) -> Refusal:
    return Refusal(
        "FORMAT",
        f"The tokenizer of {source.name} cannot be used: {why}.".replace("..", "."),
        "An archive needs a tokenizer.json, or a tokenizer that transformers can write as one.",
    )
