# The Llama family (Touvron et al. 2023; Llama 2, SmolLM2, TinyLlama) as TorchScript: the layered contract, version 1.
# Weights are stacked by layer; queries, keys and values are one projection, gate and up another. No Python runs this:
# the addon compiles it (Module::define), `ops.tokenlense` being its own operators.

def embed(self, ids: Tensor) -> Tensor:  # [batch, length] int64 → [batch, length, width]
    return torch.embedding(self.embedding, ids)

def mlp(self, i: int, x: Tensor) -> Tensor:
    h = ops.tokenlense.linear(ops.tokenlense.rms_norm(x, self.mlp_norm[i], self.norm_eps), self.gate_up[i], None)
    return x + ops.tokenlense.linear(ops.tokenlense.swiglu(h), self.down[i], None)

def project(self, i: int, x: Tensor) -> Tensor:
    return ops.tokenlense.linear(ops.tokenlense.rms_norm(x, self.attention_norm[i], self.norm_eps), self.qkv[i], None)

def layer(self, i: int, x: Tensor) -> Tensor:  # [batch, length, width] → the same
    a = ops.tokenlense.attention(self.project(i, x), self.rotary_cos, self.rotary_sin, self.heads, self.kv_heads)
    return self.mlp(i, x + ops.tokenlense.linear(a, self.attention_out[i], None))

# keys, values: [batch, kv_heads, capacity, head_dim], rows from `start` on are written.
def layer_cached(self, i: int, x: Tensor, keys: Tensor, values: Tensor, start: int) -> Tensor:
    a = ops.tokenlense.attention_cached(self.project(i, x), self.rotary_cos, self.rotary_sin, self.heads, self.kv_heads, keys, values, start)
    return self.mlp(i, x + ops.tokenlense.linear(a, self.attention_out[i], None))

def attention(self, i: int, x: Tensor) -> Tensor:  # probabilities [batch, heads, length, length]
    return ops.tokenlense.attention_weights(self.project(i, x), self.rotary_cos, self.rotary_sin, self.heads, self.kv_heads)

# The layer's rows from `first` on, once for each of `positions`: there its values are zero in the heads marked with 1.
def layer_zeroed(self, i: int, x: Tensor, positions: Tensor, zeroed: Tensor, first: int) -> Tensor:
    a = ops.tokenlense.attention_zeroed(self.project(i, x), self.rotary_cos, self.rotary_sin, self.heads, self.kv_heads, positions, zeroed, first)
    return self.mlp(i, x[:, first:] + ops.tokenlense.linear(a, self.attention_out[i], None))

def final(self, x: Tensor) -> Tensor:  # row by row
    return ops.tokenlense.rms_norm(x, self.final_norm, self.norm_eps)

def logits(self, h: Tensor) -> Tensor:  # [rows, width] → [rows, vocabulary]
    return ops.tokenlense.linear(h, self.head, None)
