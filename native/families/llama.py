# Llama (Touvron et al. 2023) and what shares its graph: Mistral, Qwen 2 with biases of queries, keys and values, Qwen 3 with norms of
# queries and keys, Phi-3. A gated MLP.

def rest(self, i: int, x: Tensor, a: Tensor) -> Tensor:
    x = x + ops.tokenlense.linear(a, self.attention_out[i], self.attention_out_bias[i])
    h = ops.tokenlense.linear(ops.tokenlense.rms_norm(x, self.mlp_norm[i], self.norm_eps), self.gate_up[i], None)
    return x + ops.tokenlense.linear(ops.tokenlense.gated(h, self.activation), self.down[i], None)
