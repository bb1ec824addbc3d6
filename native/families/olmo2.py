# OLMo 2 (OLMo et al. 2025): Llama's graph with the RMS norms after each part, and norms of all queries and all keys.

def embed(self, ids: Tensor) -> Tensor:
    return torch.embedding(self.embedding, ids).float()

def enter(self, i: int, x: Tensor, start: int) -> Tensor:
    return x

def project(self, i: int, x: Tensor) -> Tensor:
    return ops.tokenlense.rms_norm_parts(ops.tokenlense.linear(x, self.qkv[i], None), self.qk_norm[i], self.normed_parts, self.norm_eps)

def rest(self, i: int, x: Tensor, a: Tensor) -> Tensor:
    a = ops.tokenlense.linear(a, self.attention_out[i], None)
    x = x + ops.tokenlense.rms_norm(a, self.attention_post_norm[i], self.norm_eps)
    h = ops.tokenlense.gated(ops.tokenlense.linear(x, self.gate_up[i], None), self.activation)
    return x + ops.tokenlense.rms_norm(ops.tokenlense.linear(h, self.down[i], None), self.mlp_post_norm[i], self.norm_eps)

def final(self, x: Tensor) -> Tensor:
    return ops.tokenlense.rms_norm(x, self.final_norm, self.norm_eps)

def logits(self, h: Tensor) -> Tensor:
    return ops.tokenlense.linear(h, self.head, None)
