"""A TorchScript module of one's own as an archive: `python example_contract.py <folder with tokenizer.json> <archive.pt>`."""

import json, pathlib, sys, torch  # fmt: skip
from torch import Tensor

class Model(torch.nn.Module):  # any module that has these three methods; here each token sees the mean of those before it
    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.table, self.inner = torch.nn.Embedding(vocabulary, width), torch.nn.Linear(width, width)

    @torch.jit.export
    def embed(self, ids: Tensor) -> Tensor:  # int64 [batch, length] → [batch, length, width]
        return self.table(ids)

    @torch.jit.export
    def hidden(self, embeddings: Tensor, mask: Tensor) -> Tensor:  # mask int64 [batch, length]: 1 token, 0 padding → [batch, length, width]
        seen = mask.cumsum(1).clamp(min=1).unsqueeze(-1)
        return torch.tanh(self.inner((embeddings * mask.unsqueeze(-1)).cumsum(1) / seen))

    @torch.jit.export
    def logits(self, hidden: Tensor) -> Tensor:  # [rows, width] → [rows, vocabulary]
        return torch.nn.functional.linear(hidden, self.table.weight)

folder, output = pathlib.Path(sys.argv[1]), sys.argv[2]
contract = {
    "version": 1, "family": "mine", "contract": "minimal", "methods": ["embed", "hidden", "logits"], "dtype": "float32",
    "layers": 1, "heads": 1, "kvHeads": 1, "headDim": 8, "width": 8, "hidden": 8, "vocabulary": 320, "context": 64,
    "tokens": {"bos": None, "eos": [2]}, "addBos": False, "source": {"name": "example", "sha256": "0" * 64},
}  # fmt: skip
files = {f"tokenlense/{name}.json": (folder / f"{name}.json").read_text() for name in ("tokenizer", "tokenizer_config")}
torch.manual_seed(0)
torch.jit.save(torch.jit.script(Model(320, 8).eval()), output, _extra_files={"tokenlense/contract.json": json.dumps(contract), **files})
