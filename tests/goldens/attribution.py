"""Makes attribution.json: what our attributions are compared with.

    npm run bench -- --setup          # once; prints the environment's Python and the GGUF file
    <that python> tests/goldens/attribution.py --gguf <that file>

For every prompt: ids, the greedy continuation (which is the forced target), and scores [sequence, outputs] as little-endian
float32 in base64, from Inseq in float32 as it ships and from Inseq in float64 on the same weights. The second is there because the
first is up to 1e-4 away from it (bench/peer/NOTES.md says why). `tokenlense` is a plain PyTorch loop, compared with Inseq here.
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

MEASURE = (
    "When the storm had finally passed, the old fisherman looked at his broken boat and decided that he would have to"
)
LONG = """The lighthouse on the northern cape was built in 1871, after the wreck of three merchant ships in a single winter.
Its keeper had to climb one hundred and ninety-two steps every evening, carrying oil for the lamp, and every morning he
wrote the weather, the state of the sea and the names of passing vessels into a book. Forty-one of these books survive.
They are kept in the town library, in a room without windows, because the ink fades when the sun touches it. A historian
who studied them for six years found that the keepers described the same storms in very different words: one counted the
waves between two gusts, another noted which birds had taken shelter under the gallery, and a third, who had been a
schoolteacher, compared each storm with one that he had read about. She concluded that the books say as much about the
men as about the sea. In 1954 the lamp was electrified and the last keeper moved to the mainland. He was asked by a
newspaper whether he would miss the light. He answered that he would miss the dark around it. Since then the tower has
been a museum, a weather station, and for one summer a hotel with a single room. Visitors may climb the steps on
Saturdays, when a volunteer opens the door, unless the wind is stronger than eight on the Beaufort scale. The view
reaches as far as the islands, and on very clear days one can see the mountains of the other coast. Last year a young
engineer proposed to light the lamp again, with the old lens and a small electric bulb, for one hour on the first night
of every winter. The council discussed the proposal for a long time. Some feared that ships might be confused, although
every ship now finds its way by satellite; others feared the cost, which was less than that of the discussion. In the
end they agreed, and on the first of December the beam swept over the sea again. Nobody spoke until the light"""

PROMPTS = {
    "english": "The capital of France is",
    "single": "Hello",
    "measure": MEASURE,
    "german": "Die Bäckerei an der Straßenecke öffnet früh; übermorgen gibt es wieder süße Brötchen für",
    "chinese": "北京是中华人民共和国的首都，也是全国的",
    "japanese": "東京は日本の首都であり、世界で最も",
    "arabic": "القاهرة هي عاصمة جمهورية مصر العربية، وتقع على",
    "emoji": "We went to the beach 🏖️, ate ice cream 🍦 and watched the sunset 🌅. It was",
    "code": "def fibonacci(n: int) -> int:\n    if n < 2:\n        return n\n    return",
    "chat": "<|im_start|>user\nName three rivers in Europe.<|im_end|>\n<|im_start|>assistant\n",
    "russian": "Москва — столица России, а Санкт-Петербург —",
    "question": "Question: Which planet in our solar system has the most moons, and how many are known today?\nAnswer:",
    "long": LONG,
}
OUTPUTS = {"measure": 24, "long": 6}
DEFAULT_OUTPUTS = 8
# Below this gap between the best and the second-best logit, rounding could change a greedy token.
SMALLEST_MARGIN = 1e-3
METHODS = ("saliency", "input_x_gradient")
EXACT = {
    "saliency": ("saliency", "probability"),
    "input_x_gradient": ("input_x_gradient", "probability"),
    "tokenlense": ("saliency", "crossentropy"),
}


def continuation(model, ids: list[int], count: int) -> tuple[list[int], float, str | None]:
    """Greedy ids, the smallest gap between the two best logits along them, and why they will not do."""
    new = peer.greedy(model, ids, count)
    if len(new) != count:
        return new, 0.0, f"generation ends after {len(new)} of {count} tokens"
    with torch.no_grad():
        logits = model.model(torch.tensor([ids + new])).logits[0, len(ids) - 1 : -1]
    best = logits.topk(2).values
    margin = float((best[:, 0] - best[:, 1]).min())
    hangs = margin < SMALLEST_MARGIN or logits.argmax(-1).tolist() != new
    return new, margin, f"the greedy choice hangs on rounding (gap {margin:.1e})" if hangs else None


def tokenlense(model, ids: list[int], prompt_length: int) -> torch.Tensor:
    """TokenLense's own method: L2 norm per position of the gradient of −log p with respect to the prefix's embeddings."""
    result = torch.zeros(len(ids), len(ids) - prompt_length)
    embedding = model.model.get_input_embeddings()
    for column in range(result.shape[1]):
        position = prompt_length + column
        prefix = embedding(torch.tensor([ids[:position]])).detach().requires_grad_()
        loss = -model.model(inputs_embeds=prefix).logits[0, -1].log_softmax(-1)[ids[position]]
        (gradient,) = torch.autograd.grad(loss, prefix)
        result[:position, column] = gradient[0].norm(dim=-1)
    return result


def measure(model, ids: list[int], length: int) -> dict[str, torch.Tensor]:
    result = {}
    for method in METHODS:
        out = peer.attribute(model, ids, length, method, "probability", ["probability"])
        result[method] = peer.scores(out, ids, length)
        result["probability"] = peer.step_scores(out, "probability")
    result["tokenlense"] = peer.scores(peer.attribute(model, ids, length, "saliency", "crossentropy"), ids, length)
    return result


def distance(left: torch.Tensor, right: torch.Tensor) -> float:
    return float((left - right).abs().max() / right.abs().max())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    model = peer.load(options.gguf, options.threads)

    check_text_path(model)
    prompts = {name: model.tokenizer(text).input_ids for name, text in PROMPTS.items()}
    continued = {name: continuation(model, ids, OUTPUTS.get(name, DEFAULT_OUTPUTS)) for name, ids in prompts.items()}
    if faults := [f"{name}: {fault}" for name, (_, _, fault) in continued.items() if fault]:
        raise SystemExit("choose other prompts: " + "; ".join(faults))
    entries, single = [], {}
    for name, prompt in prompts.items():
        new, margin, _ = continued[name]
        ids = prompt + new
        single[name] = measure(model, ids, len(prompt))
        plain = tokenlense(model, ids, len(prompt))
        if distance(plain, single[name]["tokenlense"]) > 1e-6:
            raise SystemExit(f"{name}: the plain loop and Inseq disagree on the gradient of −log p")
        with torch.no_grad():
            top = model.model(torch.tensor([prompt])).logits[0, -1].topk(16)
        entries.append(
            {
                "name": name,
                "text": PROMPTS[name],
                "ids": ids,
                "promptLength": len(prompt),
                "margin": margin,
                "lastLogits": {"ids": top.indices.tolist(), "values": peer.encode(top.values)},
            }
        )

    exact.to_float64(model.model)
    print(f"{'Inseq float32 vs float64':24} {'tokens':>9}  " + "  ".join(f"{key:>16}" for key in single["english"]))
    for entry in entries:
        name, length = entry["name"], entry["promptLength"]
        double = measure(model, entry["ids"], length)
        for key, (method, step) in EXACT.items():
            if distance(exact.gradients(model, entry["ids"], length, method, step).float(), double[key]) > 1e-6:
                raise SystemExit(f"{name}: Inseq in float64 and one pass in float64 disagree on {key}")
        entry["float32"] = {key: peer.encode(value) for key, value in single[name].items()}
        entry["float64"] = {key: peer.encode(value.float()) for key, value in double.items()}
        row = "  ".join(f"{distance(single[name][key], double[key].float()):16.1e}" for key in single[name])
        print(f"{name:24} {length:>4}+{len(entry['ids']) - length:<4}  {row}")

    target = Path(__file__).with_suffix(".json")
    about = {
        "made": "tests/goldens/attribution.py",
        "gguf": {"file": Path(options.gguf).name, "sha256": peer.sha256(options.gguf)},
        "versions": peer.versions(),
        "threads": options.threads,
        "capability": torch.backends.cpu.get_cpu_capability(),
    }
    target.write_text(json.dumps({"about": about, "prompts": entries}, ensure_ascii=False, indent=1) + "\n")
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1e6:.2f} MB")


def check_text_path(model) -> None:
    """What we ask of Inseq by ids is what its users get by text, to the bit."""
    text, target = PROMPTS["english"], " Paris, and"
    ids, length = model.tokenizer(text + target).input_ids, len(model.tokenizer(text).input_ids)
    output = model.attribute(text, text + target, method="saliency", show_progress=False).sequence_attributions[0]
    usual = torch.nan_to_num(output.aggregate("vnorm", normalize=False).target_attributions)
    if not torch.equal(usual, peer.scores(peer.attribute(model, ids, length, "saliency", "probability"), ids, length)):
        raise SystemExit("attribution by ids and by text differ")


if __name__ == "__main__":
    main()
