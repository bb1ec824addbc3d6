"""GPT-2 and Llama once more, small and in one piece, with every operation replaceable.

Checked against transformers' logits. `Operations` computes as usual; rules.py has the ones that change what flows backward. A
value that passes through the network may be anything that the operations in use understand (for DeepLIFT a pair).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch


@dataclass
class Norm:
    weight: torch.Tensor
    bias: torch.Tensor | None
    epsilon: float


@dataclass
class Linear:
    """y = x @ weight + bias."""

    weight: torch.Tensor
    bias: torch.Tensor | None = None


class Operations:
    def norm(self, x, norm: Norm):
        if norm.bias is not None:
            x = x - x.mean(-1, keepdim=True)
        scaled = x * (x.square().mean(-1, keepdim=True) + norm.epsilon).rsqrt() * norm.weight
        return scaled if norm.bias is None else scaled + norm.bias

    def linear(self, x, linear: Linear):
        y = x @ linear.weight
        return y if linear.bias is None else y + linear.bias

    def activation(self, x, function):
        return function(x)

    def product(self, a, b):
        return a * b

    def matmul(self, a, b):
        return a @ b

    def softmax(self, x):
        return x.softmax(-1)

    def add(self, a, b):
        return a + b

    def map(self, x, function):
        """A linear function without constant: a permutation, a scaling, a rotation."""
        return function(x)

    def shift(self, x, constant):
        return x + constant

    def attention(self, probabilities):
        """Sees each layer's attention [..., heads, sequence, sequence]."""
        return probabilities


def new_gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class Network:
    """Weights are cast to `dtype`. Token embeddings go in, logits come out; both without a batch dimension."""

    def __init__(self, model, dtype=torch.float64) -> None:
        self.config, self.dtype = model.config, dtype
        self.state = {name: value.detach().to(dtype) for name, value in model.state_dict().items()}
        self.llama = model.config.model_type == "llama"
        self.layers = model.config.num_hidden_layers
        self.heads = model.config.num_attention_heads
        self.embeddings = model.get_input_embeddings().weight.detach().to(dtype)
        self.head = Linear(model.get_output_embeddings().weight.detach().to(dtype).T)
        self.width = self.embeddings.shape[1]
        self.size = self.width // self.heads
        if self.llama:
            inverse = 1.0 / model.config.rope_parameters["rope_theta"] ** (torch.arange(0, self.size, 2).float() / self.size)
            angles = torch.arange(512).float()[:, None] * inverse
            # In float32, as transformers makes it: it is part of the model.
            self.cosine, self.sine = (f(torch.cat((angles, angles), -1)).to(dtype) for f in (torch.cos, torch.sin))

    def _norm(self, name: str) -> Norm:
        bias = None if self.llama else self.state[f"{name}.bias"]
        epsilon = self.config.rms_norm_eps if self.llama else self.config.layer_norm_epsilon
        return Norm(self.state[f"{name}.weight"], bias, epsilon)

    def _linear(self, name: str) -> Linear:
        weight, bias = self.state[f"{name}.weight"], self.state.get(f"{name}.bias")
        return Linear(weight.T if self.llama else weight, bias)

    def forward(self, x, ops: Operations = Operations()):
        """The logits."""
        *_, (_, h) = self.states(x, ops)
        return ops.linear(h, self.head)

    def states(self, x, ops: Operations = Operations()):
        """(i, the input of layer i), and last (layers, what goes into the head): transformers' hidden_states."""
        if not self.llama:
            x = ops.shift(x, self.state["transformer.wpe.weight"][: self.length(x)])
        for index in range(self.layers):
            yield index, x
            x = self.layer(index, x, ops)
        yield self.layers, self.last(x, ops)

    def last(self, x, ops: Operations = Operations()):
        return ops.norm(x, self._norm("model.norm" if self.llama else "transformer.ln_f"))

    @staticmethod
    def length(x) -> int:
        return (x if isinstance(x, torch.Tensor) else x[0]).shape[-2]

    def layer(self, index: int, x, ops: Operations = Operations(), keep=None):
        """`keep` [..., 1, sequence, 1] is multiplied with the value vectors."""
        prefix = f"model.layers.{index}" if self.llama else f"transformer.h.{index}"
        names = ("input_layernorm", "post_attention_layernorm") if self.llama else ("ln_1", "ln_2")
        a = ops.norm(x, self._norm(f"{prefix}.{names[0]}"))
        x = ops.add(x, self._attention(prefix, a, ops, keep))
        m = ops.norm(x, self._norm(f"{prefix}.{names[1]}"))
        if self.llama:
            gate = ops.activation(ops.linear(m, self._linear(f"{prefix}.mlp.gate_proj")), torch.nn.functional.silu)
            inner = ops.product(gate, ops.linear(m, self._linear(f"{prefix}.mlp.up_proj")))
            return ops.add(x, ops.linear(inner, self._linear(f"{prefix}.mlp.down_proj")))
        inner = ops.activation(ops.linear(m, self._linear(f"{prefix}.mlp.c_fc")), new_gelu)
        return ops.add(x, ops.linear(inner, self._linear(f"{prefix}.mlp.c_proj")))

    def _attention(self, prefix: str, a, ops: Operations, keep):
        length = self.length(a)

        def split(x):
            return x.unflatten(-1, (-1, self.size)).transpose(-2, -3)

        def rotate(x):
            low, high = x.chunk(2, -1)
            return x * self.cosine[:length] + torch.cat((-high, low), -1) * self.sine[:length]

        if self.llama:
            groups = self.heads // self.config.num_key_value_heads
            query, key, value = (ops.linear(a, self._linear(f"{prefix}.self_attn.{n}_proj")) for n in "qkv")
            query = ops.map(query, lambda x: rotate(split(x)))
            key = ops.map(key, lambda x: rotate(split(x)).repeat_interleave(groups, -3))
            value = ops.map(value, lambda x: split(x).repeat_interleave(groups, -3))
        else:
            joint = ops.linear(a, self._linear(f"{prefix}.attn.c_attn"))
            query, key, value = (ops.map(joint, lambda x, i=i: split(x.chunk(3, -1)[i])) for i in range(3))
        if keep is not None:
            value = ops.map(value, lambda x: x * keep)
        scores = ops.matmul(query, ops.map(key, lambda x: x.transpose(-1, -2) * self.size**-0.5))
        future = torch.full((length, length), float("-inf"), dtype=self.dtype).triu(1)
        probabilities = ops.attention(ops.softmax(ops.shift(scores, future)))
        mixed = ops.map(ops.matmul(probabilities, value), lambda x: x.transpose(-2, -3).flatten(-2))
        return ops.linear(mixed, self._linear(f"{prefix}.{'self_attn.o_proj' if self.llama else 'attn.c_proj'}"))
