# The layered contract, version 1, as TorchScript: what all families share. Each family's own file defines
#   embed(ids)          [batch, length] int64 → [batch, length, width]: what is attributed
#   enter(i, x, start)  what is done to x before layer i, row 0 standing at position `start`: positions, a norm of the embeddings
#   project(i, x)       the layer's queries, keys and values [batch, length, (heads + 2 kv_heads) · head_dim]
#   rest(i, x, a)       the layer's output, a being its attention [batch, length, heads · head_dim]
#   final(x), logits(h) row by row
# Weights are stacked by layer, from the model's `first_layer` on: 0, but for a part of a model that is split. No Python runs this: the addon compiles it (Module::define), `ops.tokenlense` being its own operators.

# In a text of more than `long_after` tokens (0: in none) a layer reads the rotary table after its own: LongRoPE's other set.
def tables(self, i: int, length: int) -> List[Tensor]:
    table = self.rotary_of[i]
    if self.long_after > 0 and length > self.long_after:
        table += 1
    return [self.rotary_cos[table], self.rotary_sin[table], self.position_bias]

def counts(self, i: int) -> List[int]:
    return [self.heads, self.kv_heads, self.windows[i]]

def factors(self) -> List[float]:
    return [self.attention_scale, self.attention_softcap]

def layer(self, i: int, x: Tensor) -> Tensor:  # [batch, length, width] → the same
    x = self.enter(i, x, 0)
    return self.rest(i, x, ops.tokenlense.attention(self.project(i, x), self.tables(i, x.size(1)), self.counts(i), self.factors()))

# keys, values: [batch, kv_heads, capacity, head_dim], rows from `start` on are written.
def layer_cached(self, i: int, x: Tensor, keys: Tensor, values: Tensor, start: int) -> Tensor:
    x = self.enter(i, x, start)
    tables = self.tables(i, start + x.size(1))
    a = ops.tokenlense.attention_cached(self.project(i, x), tables, self.counts(i), self.factors(), keys, values, start)
    return self.rest(i, x, a)

def attention(self, i: int, x: Tensor) -> Tensor:  # probabilities [batch, heads, length, length]
    return ops.tokenlense.attention_weights(self.project(i, self.enter(i, x, 0)), self.tables(i, x.size(1)), self.counts(i), self.factors())

# The layer's rows from `first` on, once for each of `positions`: there its values are zero in the heads marked with 1.
def layer_zeroed(self, i: int, x: Tensor, positions: Tensor, zeroed: Tensor, first: int) -> Tensor:
    x = self.enter(i, x, 0)
    qkv = self.project(i, x)
    a = ops.tokenlense.attention_zeroed(qkv, self.tables(i, x.size(1)), self.counts(i), self.factors(), positions, zeroed, first)
    return self.rest(i, x[:, first:], a)
