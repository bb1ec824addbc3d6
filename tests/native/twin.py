# The Llama family once more, in plain ATen with the minimal contract: what the family's own operators are compared with.

def embed(self, ids: Tensor) -> Tensor:
    return torch.embedding(self.embedding, ids)

def norm(self, x: Tensor, weight: Tensor) -> Tensor:
    return x * torch.rsqrt(torch.mean(torch.pow(x, 2), [-1], True) + self.norm_eps) * weight

def rotate(self, x: Tensor) -> Tensor:  # [batch, heads, length, head_dim]
    length = x.size(2)
    half = self.head_dim // 2
    cos = torch.cat([self.rotary_cos[:length], self.rotary_cos[:length]], -1)
    sin = torch.cat([self.rotary_sin[:length], self.rotary_sin[:length]], -1)
    turned = torch.cat([-x[:, :, :, half:], x[:, :, :, :half]], -1)
    return x * cos + turned * sin

def split(self, x: Tensor, start: int, heads: int) -> Tensor:
    part = torch.narrow(x, 2, start * self.head_dim, heads * self.head_dim)
    return torch.transpose(torch.reshape(part, [x.size(0), x.size(1), heads, self.head_dim]), 1, 2)

def hidden(self, embeddings: Tensor, mask: Tensor) -> Tensor:
    x = embeddings
    length = x.size(1)
    later = torch.triu(torch.ones([length, length], dtype=11, device=x.device), 1)
    for i in range(self.layers):
        qkv = torch.linear(self.norm(x, self.attention_norm[i]), self.qkv[i])
        group = self.heads // self.kv_heads
        q = self.rotate(self.split(qkv, 0, self.heads))
        k = torch.repeat_interleave(self.rotate(self.split(qkv, self.heads, self.kv_heads)), group, 1)
        v = torch.repeat_interleave(self.split(qkv, self.heads + self.kv_heads, self.kv_heads), group, 1)
        scores = torch.matmul(q, torch.transpose(k, 2, 3)) / (self.head_dim ** 0.5)
        a = torch.matmul(torch.softmax(torch.masked_fill(scores, later, -float("inf")), -1), v)
        a = torch.reshape(torch.transpose(a, 1, 2), [x.size(0), length, self.heads * self.head_dim])
        x = x + torch.linear(a, self.attention_out[i])
        gate_up = torch.linear(self.norm(x, self.mlp_norm[i]), self.gate_up[i])
        gate = torch.narrow(gate_up, 2, 0, self.hidden_width)
        up = torch.narrow(gate_up, 2, self.hidden_width, self.hidden_width)
        x = x + torch.linear(torch.silu(gate) * up, self.down[i])
    return self.norm(x, self.final_norm)

def logits(self, h: Tensor) -> Tensor:
    return torch.linear(h, self.head)
