"""Copies of a small model's folder with other tokenizers, weights or code, which are read or refused: `variants.py <folder> <target>`."""

import io
import json
import shutil
import sys
from pathlib import Path

import sentencepiece
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

source, target = map(Path, sys.argv[1:])
TEXT = "The quick brown fox jumps over the lazy dog, and the capital of France is Paris."


def variant(name: str, without: tuple[str, ...] = ()) -> Path:
    folder = target / name
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("reference.json", *without))
    return folder


variant("no-tokenizer", ("tokenizer*", "special_tokens_map.json"))

# SentencePiece's own file, which transformers converts.
folder = variant("sentencepiece", ("tokenizer*",))
trained = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter([TEXT] * 20), model_writer=trained, vocab_size=300, model_type="bpe", byte_fallback=True, minloglevel=2
)
(folder / "tokenizer.model").write_bytes(trained.getvalue())
(folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer", "add_bos_token": True}))

# A kind that this package does not read: speech recognisers have it.
ctc = Tokenizer(models.Unigram())
ctc.pre_tokenizer, ctc.decoder = pre_tokenizers.Metaspace(), decoders.CTC()
ctc.train_from_iterator([TEXT] * 5, trainers.UnigramTrainer(vocab_size=60, special_tokens=["<unk>"], unk_token="<unk>"))
ctc.save(str(variant("ctc") / "tokenizer.json"))

folder = variant("half-the-weights")
weights = load_file(folder / "model.safetensors")
save_file({name: tensor for name, tensor in weights.items() if "h.1." not in name}, folder / "model.safetensors", {"format": "pt"})

OWN = """from transformers import GPTJConfig, GPTJForCausalLM, GPTJModel

print("this line must not disturb the exporter")


class OwnConfig(GPTJConfig):
    model_type = "own"


class OwnDecoder(GPTJModel):
    def forward(self, input_ids=None, inputs_embeds=None, attention_mask=None, position_ids=None, **rest):
        embeddings = self.wte(input_ids) if inputs_embeds is None else inputs_embeds
        return super().forward(inputs_embeds=embeddings * SCALE, attention_mask=attention_mask, position_ids=position_ids, **rest)


class OwnModel(GPTJForCausalLM):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.transformer = OwnDecoder(config)
"""
# By a constant, or by the length, which a trace takes for fixed.
for name, scale in (("own-code", "2.0"), ("own-code-by-length", "(1 + 0.01 * int(embeddings.shape[1]))")):
    folder = variant(name)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(OWN.replace("SCALE", scale))
