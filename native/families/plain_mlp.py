# An MLP of two projections with an activation between them, after a layer norm.

def mlp(self, i: int, x: Tensor) -> Tensor:
    h = ops.tokenlense.layer_norm(x, self.mlp_norm[i], self.mlp_norm_bias[i], self.norm_eps)
    h = ops.tokenlense.activation(ops.tokenlense.linear(h, self.up[i], self.up_bias[i]), self.activation)
    return ops.tokenlense.linear(h, self.down[i], self.down_bias[i])
