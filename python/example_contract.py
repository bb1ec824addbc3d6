"""A TorchScript module of one's own as an archive: `python example_contract.py <folder with tokenizer.json> <archive.pt>`."""

# fmt: off
import json, pathlib, sys, torch
from torch import Tensor, nn

class Model(nn.Module):  # any module with these three methods; in this one each token sees the mean of those up to it
    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.table, self.inner = nn.Embedding(vocabulary, width), nn.Linear(width, width)

    @torch.jit.export
    def embed(self, ids: Tensor) -> Tensor:  # int64 [batch, length] to float32 [batch, length, width]
        return self.table(ids)

    @torch.jit.export
    def hidden(self, embeddings: Tensor, mask: Tensor) -> Tensor:  # mask: int64 [batch, length], 0 is padding; no token may see later ones
        sums = (embeddings * mask.unsqueeze(-1)).cumsum(1)
        return torch.tanh(self.inner(sums / mask.cumsum(1).clamp(min=1).unsqueeze(-1)))

    @torch.jit.export
    def logits(self, hidden: Tensor) -> Tensor:  # [rows, width] to [rows, vocabulary]
        return nn.functional.linear(hidden, self.table.weight)

contract = {"version": 1, "contract": "minimal", "methods": ["embed", "hidden", "logits"], "family": "mine", "dtype": "float32",
            "layers": 1, "heads": 1, "kvHeads": 1, "headDim": 8, "width": 8, "hidden": 8, "vocabulary": 320, "context": 64,
            "tokens": {"bos": None, "eos": [2]}, "addBos": False, "source": {"name": "example", "sha256": "0" * 64}}
folder = pathlib.Path(sys.argv[1])
files = {f"tokenlense/{name}.json": (folder / f"{name}.json").read_text() for name in ("tokenizer", "tokenizer_config")}
files["tokenlense/contract.json"] = json.dumps(contract)
torch.jit.save(torch.jit.script(Model(320, 8).eval()), sys.argv[2], _extra_files=files)
