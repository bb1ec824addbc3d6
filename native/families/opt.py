# OPT (Zhang et al. 2022): learned positions, layer norms before each part or, in 350m, after it (`norm_first`); there embeddings of another
# width than the layers as well (`project_in`, `final_project`; empty elsewhere).

# The embeddings of tokens alone, for these are what is attributed; the rest comes in the first layer (`enter`).
def embed(self, ids: Tensor) -> Tensor:
    return torch.embedding(self.embedding, ids).float()

def enter(self, i: int, x: Tensor, start: int) -> Tensor:
    if self.first_layer + i > 0:
        return x
    if self.project_in.numel() > 0:
        x = ops.tokenlense.linear(x, self.project_in, None)
    return x + torch.narrow(self.positions, 0, start, x.size(1))

def attention_normed(self, i: int, x: Tensor) -> Tensor:
    return ops.tokenlense.layer_norm(x, self.attention_norm[i], self.attention_norm_bias[i], self.norm_eps)

def mlp_normed(self, i: int, x: Tensor) -> Tensor:
    return ops.tokenlense.layer_norm(x, self.mlp_norm[i], self.mlp_norm_bias[i], self.norm_eps)

def project(self, i: int, x: Tensor) -> Tensor:
    if self.norm_first == 1:
        x = self.attention_normed(i, x)
    return ops.tokenlense.linear(x, self.qkv[i], self.qkv_bias[i])

def mlp(self, i: int, x: Tensor) -> Tensor:
    h = ops.tokenlense.activation(ops.tokenlense.linear(x, self.up[i], self.up_bias[i]), self.activation)
    return ops.tokenlense.linear(h, self.down[i], self.down_bias[i])

def rest(self, i: int, x: Tensor, a: Tensor) -> Tensor:
    x = x + ops.tokenlense.linear(a, self.attention_out[i], self.attention_out_bias[i])
    if self.norm_first == 1:
        return x + self.mlp(i, self.mlp_normed(i, x))
    x = self.attention_normed(i, x)
    return self.mlp_normed(i, x + self.mlp(i, x))

def final(self, x: Tensor) -> Tensor:
    if self.final_norm.numel() == 0:
        return x
    return ops.tokenlense.layer_norm(x, self.final_norm, self.final_norm_bias, self.norm_eps)

def logits(self, h: Tensor) -> Tensor:
    if self.final_project.numel() > 0:
        h = ops.tokenlense.linear(h, self.final_project, None)
    return ops.tokenlense.linear(h, self.head, None)
