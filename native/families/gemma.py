# Gemma 2 (Riviere et al. 2024) and Gemma 3 (Kamath et al. 2025): scaled embeddings, RMS norms before and after each part, a gated MLP,
# layers that see a window by turns with layers that see all, logits bounded by tanh (2) or norms of queries and keys (3).

def embed(self, ids: Tensor) -> Tensor:
    return torch.embedding(self.embedding, ids).float() * self.embedding_scale

def enter(self, i: int, x: Tensor, start: int) -> Tensor:
    return x

def project(self, i: int, x: Tensor) -> Tensor:
    h = ops.tokenlense.rms_norm(x, self.attention_norm[i], self.norm_eps)
    qkv = ops.tokenlense.linear(h, self.qkv[i], None)
    if len(self.normed_parts) == 0:
        return qkv
    return ops.tokenlense.rms_norm_parts(qkv, self.qk_norm[i], self.normed_parts, self.norm_eps)

def rest(self, i: int, x: Tensor, a: Tensor) -> Tensor:
    a = ops.tokenlense.linear(a, self.attention_out[i], None)
    x = x + ops.tokenlense.rms_norm(a, self.attention_post_norm[i], self.norm_eps)
    h = ops.tokenlense.linear(ops.tokenlense.rms_norm(x, self.mlp_norm[i], self.norm_eps), self.gate_up[i], None)
    h = ops.tokenlense.linear(ops.tokenlense.gated(h, self.activation), self.down[i], None)
    return x + ops.tokenlense.rms_norm(h, self.mlp_post_norm[i], self.norm_eps)

def final(self, x: Tensor) -> Tensor:
    return ops.tokenlense.rms_norm(x, self.final_norm, self.norm_eps)

def logits(self, h: Tensor) -> Tensor:
    y = ops.tokenlense.linear(h, self.head, None)
    if self.logit_softcap == 0.0:
        return y
    return ops.tokenlense.softcap(y, self.logit_softcap)
