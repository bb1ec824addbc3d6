# Llama (Touvron et al. 2023) and what shares its graph: Mistral, Qwen 2 with biases of queries, keys and values, Qwen 3 with norms of
# queries and keys, Phi-3. RMS norms before each part, a gated MLP.

def embed(self, ids: Tensor) -> Tensor:
    return torch.embedding(self.embedding, ids).float()

def enter(self, i: int, x: Tensor, start: int) -> Tensor:
    return x

def project(self, i: int, x: Tensor) -> Tensor:
    h = ops.tokenlense.rms_norm(x, self.attention_norm[i], self.norm_eps)
    qkv = ops.tokenlense.linear(h, self.qkv[i], self.qkv_bias[i])
    if len(self.normed_parts) == 0:
        return qkv
    return ops.tokenlense.rms_norm_parts(qkv, self.qk_norm[i], self.normed_parts, self.norm_eps)

def rest(self, i: int, x: Tensor, a: Tensor) -> Tensor:
    x = x + ops.tokenlense.linear(a, self.attention_out[i], self.attention_out_bias[i])
    h = ops.tokenlense.linear(ops.tokenlense.rms_norm(x, self.mlp_norm[i], self.norm_eps), self.gate_up[i], None)
    return x + ops.tokenlense.linear(ops.tokenlense.gated(h, self.activation), self.down[i], None)

def final(self, x: Tensor) -> Tensor:
    return ops.tokenlense.rms_norm(x, self.final_norm, self.norm_eps)

def logits(self, h: Tensor) -> Tensor:
    return ops.tokenlense.linear(h, self.head, None)
