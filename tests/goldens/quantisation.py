"""What GGUF's encodings mean: random blocks, and their values by the `gguf` package, in tests/goldens/quantisation.json.

    npm run bench -- --setup        # makes the pinned environment and prints its Python
    <that python> tests/goldens/quantisation.py
"""

import base64
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

ROWS, COLUMNS = 2, 512
# Where a block has numbers in float16: random bits there could be infinite.
HALVES = {
    "Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "IQ4_NL": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "F16": [0], "BF16": [], "F32": [],
}  # fmt: skip


def blocks_of(name: str, draw: np.random.Generator) -> np.ndarray:
    values, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    count = ROWS * COLUMNS // values
    if name == "F32":
        return draw.normal(size=count).astype(np.float32).view(np.uint8).reshape(count, size)
    blocks = draw.integers(0, 256, size=(count, size), dtype=np.uint8)
    if name == "BF16":
        blocks[:, 1] &= 0xBF  # exponents below 128
    for at in HALVES[name]:
        # From subnormal to large, either sign, and zero.
        halves = draw.normal(size=count) * 10.0 ** draw.integers(-6, 3, size=count)
        halves[draw.random(count) < 0.05] = 0
        blocks[:, at : at + 2] = halves.astype(np.float16).view(np.uint8).reshape(count, 2)
    return blocks


def main() -> None:
    draw = np.random.default_rng(20261125)
    encodings = {}
    for name in HALVES:
        blocks = blocks_of(name, draw)
        values = dequantize(blocks.reshape(ROWS, -1), GGMLQuantizationType[name]).astype(np.float32)
        assert values.shape == (ROWS, COLUMNS) and np.isfinite(values).all(), name
        encodings[name] = {
            "bytes": base64.b64encode(blocks.tobytes()).decode(),
            "values": base64.b64encode(values.tobytes()).decode(),
        }
    about = {"gguf": version("gguf"), "rows": ROWS, "columns": COLUMNS}
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps({"about": about, "encodings": encodings}, indent=1) + "\n")


main()
