# The Llama family once more, in plain ATen with the minimal contract: what the family's own operators are compared with.

def embed(self, ids: Tensor) -> Tensor:
    return torch.embedding(self.embedding, ids)

def norm(self, x: Tensor, weight: Tensor) -> Tensor:
    return x * torch.rsqrt(torch.mean(torch.pow(x, 2), [-1], True) + self.norm_eps) * weight

def activate(self, x: Tensor) -> Tensor:
    if self.activation == "silu":
        return torch.silu(x)
    if self.activation == "relu":
        return torch.relu(x)
    return torch.gelu(x, approximate="tanh" if self.activation == "gelu_tanh" else "none")

def rotate(self, x: Tensor) -> Tensor:  # [batch, heads, length, head_dim]
    length = x.size(2)
    half = self.rotary_cos.size(2)
    if half == 0:
        return x
    cos = self.rotary_cos[0, :length]
    sin = self.rotary_sin[0, :length]
    first = x[:, :, :, :half]
    second = x[:, :, :, half : 2 * half]
    return torch.cat([first * cos - second * sin, second * cos + first * sin, x[:, :, :, 2 * half :]], -1)

def normed(self, i: int, qkv: Tensor) -> Tensor:
    parts: List[Tensor] = []
    start = 0
    for width in self.normed_parts:
        parts.append(self.norm(qkv[:, :, start : start + width], self.qk_norm[i, start : start + width]))
        start += width
    parts.append(qkv[:, :, start:])
    return torch.cat(parts, -1)

def split(self, x: Tensor, start: int, heads: int) -> Tensor:
    part = torch.narrow(x, 2, start * self.head_dim, heads * self.head_dim)
    return torch.transpose(torch.reshape(part, [x.size(0), x.size(1), heads, self.head_dim]), 1, 2)

def capped(self, scores: Tensor) -> Tensor:
    if self.attention_softcap == 0.0:
        return scores
    return torch.tanh(scores / self.attention_softcap) * self.attention_softcap

def unseen(self, i: int, length: int) -> Tensor:
    ones = torch.ones([length, length], dtype=11, device=self.embedding.device)
    hidden = torch.triu(ones, 1)
    if self.windows[i] > 0:
        hidden = torch.logical_or(hidden, torch.tril(ones, -self.windows[i]))
    return hidden

def hidden(self, embeddings: Tensor, mask: Tensor) -> Tensor:
    x = embeddings
    length = x.size(1)
    for i in range(self.layers):
        qkv = torch.linear(self.norm(x, self.attention_norm[i]), self.qkv[i])
        if self.qkv_bias.size(1) > 0:
            qkv = qkv + self.qkv_bias[i]
        qkv = self.normed(i, qkv)
        group = self.heads // self.kv_heads
        q = self.rotate(self.split(qkv, 0, self.heads))
        k = torch.repeat_interleave(self.rotate(self.split(qkv, self.heads, self.kv_heads)), group, 1)
        v = torch.repeat_interleave(self.split(qkv, self.heads + self.kv_heads, self.kv_heads), group, 1)
        scores = self.capped(torch.matmul(q, torch.transpose(k, 2, 3)) * self.attention_scale)
        if self.position_bias.numel() > 0:
            scores = scores + self.position_bias[:, :length].unsqueeze(1)
        p = torch.softmax(torch.masked_fill(scores, self.unseen(i, length), -float("inf")), -1)
        a = torch.matmul(p, v)
        a = torch.reshape(torch.transpose(a, 1, 2), [x.size(0), length, self.heads * self.head_dim])
        x = x + torch.linear(a, self.attention_out[i])
        gate_up = torch.linear(self.norm(x, self.mlp_norm[i]), self.gate_up[i])
        gate = torch.narrow(gate_up, 2, 0, self.hidden_width)
        up = torch.narrow(gate_up, 2, self.hidden_width, self.hidden_width)
        x = x + torch.linear(self.activate(gate) * up, self.down[i])
    return self.norm(x, self.final_norm)

def logits(self, h: Tensor) -> Tensor:
    return torch.linear(h, self.head)
