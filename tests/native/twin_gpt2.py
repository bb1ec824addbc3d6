# The GPT-2 family once more, in plain ATen with the minimal contract: what the family's own operators are compared with.

def embed(self, ids: Tensor) -> Tensor:
    return torch.embedding(self.embedding, ids)

def norm(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.layer_norm(x, [self.width], weight, bias, self.norm_eps)

def gelu(self, x: Tensor) -> Tensor:
    if self.activation == "gelu":
        return 0.5 * x * (1 + torch.erf(x * (0.5 ** 0.5)))
    return 0.5 * x * (1 + torch.tanh((2 / 3.141592653589793) ** 0.5 * (x + 0.044715 * torch.pow(x, 3))))

def split(self, x: Tensor, start: int, heads: int) -> Tensor:
    part = torch.narrow(x, 2, start * self.head_dim, heads * self.head_dim)
    return torch.transpose(torch.reshape(part, [x.size(0), x.size(1), heads, self.head_dim]), 1, 2)

def hidden(self, embeddings: Tensor, mask: Tensor) -> Tensor:
    length = embeddings.size(1)
    x = embeddings + self.positions[:length]
    later = torch.triu(torch.ones([length, length], dtype=11, device=x.device), 1)
    for i in range(self.layers):
        qkv = torch.linear(self.norm(x, self.attention_norm[i], self.attention_norm_bias[i]), self.qkv[i], self.qkv_bias[i])
        group = self.heads // self.kv_heads
        q = self.split(qkv, 0, self.heads)
        k = torch.repeat_interleave(self.split(qkv, self.heads, self.kv_heads), group, 1)
        v = torch.repeat_interleave(self.split(qkv, self.heads + self.kv_heads, self.kv_heads), group, 1)
        scores = torch.matmul(q, torch.transpose(k, 2, 3)) / (self.head_dim ** 0.5)
        a = torch.matmul(torch.softmax(torch.masked_fill(scores, later, -float("inf")), -1), v)
        a = torch.reshape(torch.transpose(a, 1, 2), [x.size(0), length, self.heads * self.head_dim])
        x = x + torch.linear(a, self.attention_out[i], self.attention_out_bias[i])
        h = torch.linear(self.norm(x, self.mlp_norm[i], self.mlp_norm_bias[i]), self.up[i], self.up_bias[i])
        x = x + torch.linear(self.gelu(h), self.down[i], self.down_bias[i])
    return self.norm(x, self.final_norm, self.final_norm_bias)

def logits(self, h: Tensor) -> Tensor:
    return torch.linear(h, self.head)
