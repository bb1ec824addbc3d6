# Mixtral (Jiang et al. 2024), Qwen 2 MoE and Qwen 3 MoE: Llama's graph with a mixture of experts for its MLP, and in Qwen 2 MoE one more
# that is always used, by a gate of its own (`shared_hidden` is its width, 0 for none). Weights are stacked over the layers that have
# them: those with experts (`has_experts`), and those with a plain MLP; `places` are the layers' own among their kind.

def rest(self, i: int, x: Tensor, a: Tensor) -> Tensor:
    x = x + ops.tokenlense.linear(a, self.attention_out[i], None)
    h = ops.tokenlense.rms_norm(x, self.mlp_norm[i], self.norm_eps)
    e = self.places[i]
    if self.has_experts[i] == 0:
        h = ops.tokenlense.gated(ops.tokenlense.linear(h, self.gate_up[e], None), self.activation)
        return x + ops.tokenlense.linear(h, self.down[e], None)
    y = x + ops.tokenlense.experts(
        h, self.router[e], self.experts_gate_up[e], self.experts_down[e], self.experts_used, self.normed_router, self.activation
    )
    if self.shared_hidden == 0:
        return y
    return y + ops.tokenlense.experts(h, self.shared_router[e], self.shared_gate_up[e], self.shared_down[e], 0, 0, self.activation)
