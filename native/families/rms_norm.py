# Decoders with an RMS norm before each part (Zhang & Sennrich 2019): all but what follows attention.

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

def final(self, x: Tensor) -> Tensor:
    return ops.tokenlense.rms_norm(x, self.final_norm, self.norm_eps)

def logits(self, h: Tensor) -> Tensor:
    return ops.tokenlense.linear(h, self.head, None)
