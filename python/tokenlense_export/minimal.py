"""A transformers model as the three methods of the minimal contract, and their trace."""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from .source import architecture, first_line


# Comparisons with the mask's length, and of types, that come out the same for every text.
HARMLESS = ("transformers/masking_utils.py", "torch/")


def position_ids(mask: Tensor) -> Tensor:
    """Of each token among the tokens of its row, as transformers' own generation counts them; 0 for padding before them."""
    return (mask.cumsum(-1) - 1).clamp(min=0)


class Minimal(nn.Module):
    """
    embed: what the model's embedding gives. hidden: what its decoder makes of that, the final norm included, and whatever it does to
    embeddings first. logits: what the model does to hidden states after its decoder (head, scale, soft cap).
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        decoder = model.get_decoder()
        if decoder is model:
            raise architecture(model.config, "has no part of its own that makes hidden states")
        parameters = inspect.signature(decoder.forward).parameters
        if "inputs_embeds" not in parameters:
            raise architecture(model.config, "takes no embeddings, so there is nothing to take gradients by")
        if "attention_mask" not in parameters:
            raise architecture(model.config, "takes no mask")
        self.decoder = [decoder]  # in a list: it is registered as part of `model`
        self.positioned = "position_ids" in parameters

    def arguments(self, mask: Tensor) -> dict[str, Any]:
        """A 2-d mask, and not a 4-d one: from it each architecture makes what it needs, sliding windows and ALiBi biases too."""
        positions = {"position_ids": position_ids(mask)} if self.positioned else {}
        return {"attention_mask": mask, "use_cache": False, **positions}

    def embed(self, ids: Tensor) -> Tensor:
        return self.model.get_input_embeddings()(ids)

    def hidden(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        # A copy: CTRL scales in place what it is given.
        return _hidden_of(self.decoder[0](inputs_embeds=embeddings.clone(), **self.arguments(mask)))

    def logits(self, hidden: Tensor) -> Tensor:
        """By the model's own forward, whose decoder gives these hidden states."""
        decoder = self.decoder[0]
        states = hidden.unsqueeze(0)

        def forward(*_: Any, **__: Any) -> ModelOutput:
            return self.template(last_hidden_state=states)

        decoder.forward = forward
        try:
            return self.model(inputs_embeds=states, use_cache=False).logits.squeeze(0)
        finally:
            del decoder.forward

    def measure(self) -> int:
        """Runs the model once, to know what its decoder gives; the number of logits."""
        ids = torch.zeros((2, 3), dtype=torch.long)
        with torch.no_grad():
            output = self.decoder[0](inputs_embeds=self.embed(ids), **self.arguments(torch.ones_like(ids)))
            self.template = type(output) if isinstance(output, ModelOutput) else _tuple
            return self.logits(_hidden_of(output)[0]).shape[-1]


def _hidden_of(output: Any) -> Tensor:
    return output.last_hidden_state if isinstance(output, ModelOutput) else output[0]


def _tuple(last_hidden_state: Tensor) -> tuple[Tensor]:
    return (last_hidden_state,)


def trace(module: Minimal, ids: Tensor, mask: Tensor) -> tuple[torch.jit.ScriptModule, list[str]]:
    """
    The three methods with shared weights, and where the trace took a value for fixed. `ids` has at least two rows and some length: sizes
    of 1 would be taken for broadcasts.
    """
    for part in module.modules():
        # An archive names the classes of its parts by their modules; those of a model's own code have a digest among their names.
        kind = type(part)
        if kind.__module__.startswith("transformers_modules."):
            kind.__module__ = kind.__module__.rpartition(".")[2]
    with torch.no_grad(), plain_functions(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        embeddings = module.embed(ids)
        rows = module.hidden(embeddings, mask)[0]
        try:
            traced = torch.jit.trace_module(
                module, {"embed": (ids,), "hidden": (embeddings, mask), "logits": (rows,)}, check_trace=False
            )
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise architecture(module.model.config, f"cannot be traced: {first_line(error)}") from error
    for method in (traced.embed, traced.hidden, traced.logits):
        follow_device(method.graph)
    warned = [w for w in caught if issubclass(w.category, torch.jit.TracerWarning)]
    places = {f"{w.filename.partition('site-packages/')[2] or Path(w.filename).name}:{w.lineno}" for w in warned}
    return traced, sorted(place for place in places if not place.startswith(HARMLESS))


@contextmanager
def plain_functions() -> Iterator[None]:
    """A model's own autograd functions (BLOOM's GELU) cannot be saved: their forward's operations are, and differentiated as such."""
    own = torch.autograd.Function.__dict__["apply"]

    class Context:
        def save_for_backward(self, *_: Tensor) -> None: ...

        def mark_non_differentiable(self, *_: Tensor) -> None: ...

    torch.autograd.Function.apply = classmethod(lambda cls, *arguments: cls.forward(Context(), *arguments))
    try:
        yield
    finally:
        torch.autograd.Function.apply = own


def follow_device(graph: Any) -> None:
    """A trace names the device that it ran on wherever a tensor is made; the archive's are made where its input is."""
    torch._C._jit_pass_inline(graph)
    _, given, *_ = graph.inputs()
    for node in list(graph.findAllNodes("prim::Constant")):
        if node.output().type().kind() != "DeviceObjType":
            continue
        device = graph.create("prim::device", [given], 1)
        device.output().setType(node.output().type())
        graph.prependNode(device)
        node.output().replaceAllUsesWith(device.output())
    torch._C._jit_pass_dce(graph)
