# Mixtral (Jiang et al. 2024), Qwen 2 MoE and Qwen 3 MoE: Llama's graph with a mixture of experts for its MLP, and in Qwen 2 MoE one more
# that is always used, by a gate of its own (`shared_hidden` is its width, 0 for none).

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
    x = x + ops.tokenlense.linear(a, self.attention_out[i], None)
    h = ops.tokenlense.rms_norm(x, self.mlp_norm[i], self.norm_eps)
    y = x + ops.tokenlense.experts(
        h, self.router[i], self.experts_gate_up[i], self.experts_down[i], self.experts_used, self.normed_router, self.activation
    )
    if self.shared_hidden == 0:
        return y
    return y + ops.tokenlense.experts(h, self.shared_router[i], self.shared_gate_up[i], self.shared_down[i], 0, 0, self.activation)

def final(self, x: Tensor) -> Tensor:
    return ops.tokenlense.rms_norm(x, self.final_norm, self.norm_eps)

def logits(self, h: Tensor) -> Tensor:
    return ops.tokenlense.linear(h, self.head, None)
