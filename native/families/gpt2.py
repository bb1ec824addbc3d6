# GPT-2 (Radford et al. 2019) and OPT (Zhang et al. 2022): learned positions, layer norms before each part, biases everywhere but in the
# head.

# The embeddings of tokens alone, for these are what is attributed; those of positions come in the first layer.
def embed(self, ids: Tensor) -> Tensor:
    return torch.embedding(self.embedding, ids).float()

def enter(self, i: int, x: Tensor, start: int) -> Tensor:
    if i > 0:
        return x
    return x + torch.narrow(self.positions, 0, start, x.size(1))

def project(self, i: int, x: Tensor) -> Tensor:
    h = ops.tokenlense.layer_norm(x, self.attention_norm[i], self.attention_norm_bias[i], self.norm_eps)
    return ops.tokenlense.linear(h, self.qkv[i], self.qkv_bias[i])

def rest(self, i: int, x: Tensor, a: Tensor) -> Tensor:
    x = x + ops.tokenlense.linear(a, self.attention_out[i], self.attention_out_bias[i])
    h = ops.tokenlense.layer_norm(x, self.mlp_norm[i], self.mlp_norm_bias[i], self.norm_eps)
    h = ops.tokenlense.activation(ops.tokenlense.linear(h, self.up[i], self.up_bias[i]), self.activation)
    return x + ops.tokenlense.linear(h, self.down[i], self.down_bias[i])

def final(self, x: Tensor) -> Tensor:
    return ops.tokenlense.layer_norm(x, self.final_norm, self.final_norm_bias, self.norm_eps)

def logits(self, h: Tensor) -> Tensor:
    return ops.tokenlense.linear(h, self.head, None)
