"""`.pt` files that are no archives of this package, or do not do what their contract says: `not_ours.py <folder with tokenizer.json> <target>`."""

import json
import sys
from pathlib import Path

import torch
from torch import Tensor


class Plain(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


class OneArgument(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(320, 4)

    @torch.jit.export
    def embed(self, ids: Tensor) -> Tensor:
        return self.table(ids)

    @torch.jit.export
    def hidden(self, embeddings: Tensor) -> Tensor:
        return embeddings

    @torch.jit.export
    def logits(self, hidden: Tensor) -> Tensor:
        return torch.nn.functional.linear(hidden, self.table.weight)


class Pooled(OneArgument):
    @torch.jit.export
    def hidden(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        return embeddings.sum(1)


class Whole(OneArgument):
    @torch.jit.export
    def hidden(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        return embeddings


tokenizer, target = map(Path, sys.argv[1:])
contract = {
    **{"version": 1, "family": "mine", "contract": "minimal", "methods": ["embed", "hidden", "logits"], "dtype": "float32"},
    **{"layers": 1, "heads": 1, "kvHeads": 1, "headDim": 4, "width": 4, "hidden": 4, "vocabulary": 320, "context": 64},
    **{"tokens": {"eos": [2]}, "addBos": False, "source": {"name": "test", "sha256": "0" * 64}},
}
files = {f"tokenlense/{name}.json": (tokenizer / f"{name}.json").read_text() for name in ("tokenizer", "tokenizer_config")}


def archive(name: str, module: torch.nn.Module, **changes: int) -> None:
    extra = {"tokenlense/contract.json": json.dumps(contract | changes), **files}
    torch.jit.save(torch.jit.script(module), target / f"{name}.pt", _extra_files=extra)


target.mkdir(parents=True, exist_ok=True)
torch.save({"weight": torch.ones(2)}, target / "weights.pt")
torch.save({"weight": torch.ones(2)}, target / "old.pt", _use_new_zipfile_serialization=False)
torch.save(torch.nn.Linear(2, 2), target / "object.pt")
torch.jit.save(torch.jit.script(Plain()), target / "module.pt")
archive("methods", Plain())
archive("arity", OneArgument())
archive("rank", Pooled())
archive("vocabulary", Whole(), vocabulary=400)
archive("whole", Whole())
