# StableLM (Bellagente et al. 2024): rotary positions in a part of each head, a gated MLP; in 12B norms of each head's queries and keys.

def enter(self, i: int, x: Tensor, start: int) -> Tensor:
    return x

def mlp(self, i: int, x: Tensor) -> Tensor:
    h = ops.tokenlense.layer_norm(x, self.mlp_norm[i], self.mlp_norm_bias[i], self.norm_eps)
    h = ops.tokenlense.gated(ops.tokenlense.linear(h, self.gate_up[i], None), self.activation)
    return ops.tokenlense.linear(h, self.down[i], None)
