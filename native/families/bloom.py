# BLOOM (Le Scao et al. 2022): positions by ALiBi (the table `position_bias`), a layer norm of the embeddings.

def enter(self, i: int, x: Tensor, start: int) -> Tensor:
    if self.first_layer + i > 0:
        return x
    return ops.tokenlense.layer_norm(x, self.embedding_norm, self.embedding_norm_bias, self.norm_eps)
