
# What stands in the place of the family's own `attention` and `layer_zeroed` for comparison: plain ATen, one position at a time.

def part(self, x: Tensor, start: int, heads: int) -> Tensor:
    rows = torch.narrow(x, 2, start * self.head_dim, heads * self.head_dim)
    return torch.transpose(torch.reshape(rows, [x.size(0), x.size(1), heads, self.head_dim]), 1, 2)

def projected(self, i: int, x: Tensor) -> Tensor:
    if i == 0:
        x = x + self.positions[:x.size(1)]
    h = torch.layer_norm(x, [self.width], self.attention_norm[i], self.attention_norm_bias[i], self.norm_eps)
    return torch.linear(h, self.qkv[i], self.qkv_bias[i])

def attention(self, i: int, x: Tensor) -> Tensor:
    qkv = self.projected(i, x)
    k = torch.repeat_interleave(self.part(qkv, self.heads, self.kv_heads), self.heads // self.kv_heads, 1)
    scores = torch.matmul(self.part(qkv, 0, self.heads), torch.transpose(k, 2, 3)) / (self.head_dim ** 0.5)
    later = torch.triu(torch.ones([x.size(1), x.size(1)], dtype=11, device=x.device), 1)
    return torch.softmax(torch.masked_fill(scores, later, -float("inf")), -1)

def layer_zeroed(self, i: int, x: Tensor, positions: Tensor, zeroed: Tensor, first: int) -> Tensor:
    v = torch.repeat_interleave(self.part(self.projected(i, x), self.heads + self.kv_heads, self.kv_heads), self.heads // self.kv_heads, 1)
    p = self.attention(i, x)
    if i == 0:
        x = x + self.positions[:x.size(1)]
    rows: List[Tensor] = []
    for j in range(positions.size(0)):
        kept = torch.clone(v)
        kept[:, :, int(positions[j])] *= 1 - torch.reshape(zeroed, [1, self.heads, 1])
        a = torch.reshape(torch.transpose(torch.matmul(p, kept), 1, 2), [1, x.size(1), self.heads * self.head_dim])
        y = x + torch.linear(a, self.attention_out[i], self.attention_out_bias[i])
        h = torch.linear(torch.layer_norm(y, [self.width], self.mlp_norm[i], self.mlp_norm_bias[i], self.norm_eps), self.up[i], self.up_bias[i])
        h = torch.gelu(h, approximate="none" if self.activation == "gelu" else "tanh")
        rows.append((y + torch.linear(h, self.down[i], self.down_bias[i]))[:, first:])
    return torch.cat(rows)
