# GPT-2 (Radford et al. 2019) as TorchScript: the layered contract, version 1. Weights are stacked by layer; queries, keys and
# values are one projection, of as many key/value heads as query heads in GPT-2 itself. No Python runs this: the addon compiles it
# (Module::define), `ops.tokenlense` being its own operators.

# The embeddings of tokens alone, for these are what is attributed; those of positions come in the first layer.
def embed(self, ids: Tensor) -> Tensor:  # [batch, length] int64 → [batch, length, width]
    return torch.embedding(self.embedding, ids)

def placed(self, i: int, x: Tensor, start: int) -> Tensor:  # row 0 of x stands at position `start`
    if i > 0:
        return x
    return x + torch.narrow(self.positions, 0, start, x.size(1))

def project(self, i: int, x: Tensor) -> Tensor:
    h = ops.tokenlense.layer_norm(x, self.attention_norm[i], self.attention_norm_bias[i], self.norm_eps)
    return ops.tokenlense.linear(h, self.qkv[i], self.qkv_bias[i])

def mlp(self, i: int, x: Tensor) -> Tensor:
    h = ops.tokenlense.layer_norm(x, self.mlp_norm[i], self.mlp_norm_bias[i], self.norm_eps)
    h = ops.tokenlense.gelu(ops.tokenlense.linear(h, self.up[i], self.up_bias[i]), "none" if self.exact_gelu == 1 else "tanh")
    return x + ops.tokenlense.linear(h, self.down[i], self.down_bias[i])

def layer(self, i: int, x: Tensor) -> Tensor:  # [batch, length, width] → the same
    x = self.placed(i, x, 0)
    a = ops.tokenlense.attention(self.project(i, x), None, None, self.heads, self.kv_heads)
    return self.mlp(i, x + ops.tokenlense.linear(a, self.attention_out[i], self.attention_out_bias[i]))

# keys, values: [batch, kv_heads, capacity, head_dim], rows from `start` on are written.
def layer_cached(self, i: int, x: Tensor, keys: Tensor, values: Tensor, start: int) -> Tensor:
    x = self.placed(i, x, start)
    a = ops.tokenlense.attention_cached(self.project(i, x), None, None, self.heads, self.kv_heads, keys, values, start)
    return self.mlp(i, x + ops.tokenlense.linear(a, self.attention_out[i], self.attention_out_bias[i]))

def attention(self, i: int, x: Tensor) -> Tensor:  # probabilities [batch, heads, length, length]
    return ops.tokenlense.attention_weights(self.project(i, self.placed(i, x, 0)), None, None, self.heads, self.kv_heads)

# The layer's rows from `first` on, once for each of `positions`: there its values are zero in the heads marked with 1.
def layer_zeroed(self, i: int, x: Tensor, positions: Tensor, zeroed: Tensor, first: int) -> Tensor:
    x = self.placed(i, x, 0)
    a = ops.tokenlense.attention_zeroed(self.project(i, x), None, None, self.heads, self.kv_heads, positions, zeroed, first)
    return self.mlp(i, x[:, first:] + ops.tokenlense.linear(a, self.attention_out[i], self.attention_out_bias[i]))

def final(self, x: Tensor) -> Tensor:  # row by row
    return ops.tokenlense.layer_norm(x, self.final_norm, self.final_norm_bias, self.norm_eps)

def logits(self, h: Tensor) -> Tensor:  # [rows, width] → [rows, vocabulary]
    return ops.tokenlense.linear(h, self.head, None)
