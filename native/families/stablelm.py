# StableLM (Bellagente et al. 2024): Llama's graph with layer norms and rotary positions in a part of each head; where `parallel` is 1,
# attention and MLP side by side.

def embed(self, ids: Tensor) -> Tensor:
    return torch.embedding(self.embedding, ids).float()

def enter(self, i: int, x: Tensor, start: int) -> Tensor:
    return x

def project(self, i: int, x: Tensor) -> Tensor:
    h = ops.tokenlense.layer_norm(x, self.attention_norm[i], self.attention_norm_bias[i], self.norm_eps)
    return ops.tokenlense.linear(h, self.qkv[i], self.qkv_bias[i])

def mlp(self, i: int, x: Tensor) -> Tensor:
    h = ops.tokenlense.layer_norm(x, self.mlp_norm[i], self.mlp_norm_bias[i], self.norm_eps)
    h = ops.tokenlense.gated(ops.tokenlense.linear(h, self.gate_up[i], None), self.activation)
    return ops.tokenlense.linear(h, self.down[i], None)

def rest(self, i: int, x: Tensor, a: Tensor) -> Tensor:
    a = ops.tokenlense.linear(a, self.attention_out[i], None)
    if self.parallel == 1:
        return a + (x + self.mlp(i, x))
    x = x + a
    return x + self.mlp(i, x)

def final(self, x: Tensor) -> Tensor:
    return ops.tokenlense.layer_norm(x, self.final_norm, self.final_norm_bias, self.norm_eps)

def logits(self, h: Tensor) -> Tensor:
    return ops.tokenlense.linear(h, self.head, None)
