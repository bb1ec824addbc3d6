# Decoders with a layer norm before each part (Ba et al. 2016): all but positions and what follows attention.

# The embeddings of tokens alone, for these are what is attributed; learned positions come in the first layer (`enter`).
def embed(self, ids: Tensor) -> Tensor:
    return torch.embedding(self.embedding, ids).float()

def project(self, i: int, x: Tensor) -> Tensor:
    h = ops.tokenlense.layer_norm(x, self.attention_norm[i], self.attention_norm_bias[i], self.norm_eps)
    qkv = ops.tokenlense.linear(h, self.qkv[i], self.qkv_bias[i])
    if len(self.normed_parts) == 0:
        return qkv
    return ops.tokenlense.layer_norm_parts(qkv, self.qk_norm[i], self.normed_parts, self.norm_eps)

# `mlp` is the layer's own; where `parallel` is 1 it stands beside attention, with a norm of its own, else after it.
def rest(self, i: int, x: Tensor, a: Tensor) -> Tensor:
    a = ops.tokenlense.linear(a, self.attention_out[i], self.attention_out_bias[i])
    if self.parallel == 1:
        return a + (x + self.mlp(i, x))
    x = x + a
    return x + self.mlp(i, x)

def final(self, x: Tensor) -> Tensor:
    return ops.tokenlense.layer_norm(x, self.final_norm, self.final_norm_bias, self.norm_eps)

def logits(self, h: Tensor) -> Tensor:
    return ops.tokenlense.linear(h, self.head, None)
