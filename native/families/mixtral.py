# Mixtral (Jiang et al. 2024), Qwen 2 MoE and Qwen 3 MoE: Llama's graph with a mixture of experts for its MLP, and in Qwen 2 MoE one more
# that is always used, by a gate of its own (`shared_hidden` is its width, 0 for none).

def rest(self, i: int, x: Tensor, a: Tensor) -> Tensor:
    x = x + ops.tokenlense.linear(a, self.attention_out[i], None)
    h = ops.tokenlense.rms_norm(x, self.mlp_norm[i], self.norm_eps)
    y = x + ops.tokenlense.experts(
        h, self.router[i], self.experts_gate_up[i], self.experts_down[i], self.experts_used, self.normed_router, self.activation
    )
    if self.shared_hidden == 0:
        return y
    return y + ops.tokenlense.experts(h, self.shared_router[i], self.shared_gate_up[i], self.shared_down[i], 0, 0, self.activation)
