
# What stands in the place of the contract's own `attention` and `layer_zeroed` for comparison: plain ATen, one position at a time, with
# the twin's pieces.

def attention(self, i: int, x: Tensor) -> Tensor:
    qkv = self.project(i, x)
    k = torch.repeat_interleave(self.rotate(self.split(qkv, self.heads, self.kv_heads)), self.heads // self.kv_heads, 1)
    scores = self.capped(torch.matmul(self.rotate(self.split(qkv, 0, self.heads)), torch.transpose(k, 2, 3)) * self.attention_scale)
    if self.position_bias.numel() > 0:
        scores = scores + self.position_bias[:, :x.size(1)].unsqueeze(1)
    return torch.softmax(torch.masked_fill(scores, self.unseen(i, x.size(1)), -float("inf")), -1)

def layer_zeroed(self, i: int, x: Tensor, positions: Tensor, zeroed: Tensor, first: int) -> Tensor:
    v = self.split(self.project(i, x), self.heads + self.kv_heads, self.kv_heads)
    v = torch.repeat_interleave(v, self.heads // self.kv_heads, 1)
    p = self.attention(i, x)
    rows: List[Tensor] = []
    for j in range(positions.size(0)):
        kept = torch.clone(v)
        kept[:, :, int(positions[j])] *= 1 - torch.reshape(zeroed, [1, self.heads, 1])
        a = torch.reshape(torch.transpose(torch.matmul(p, kept), 1, 2), [1, x.size(1), self.heads * self.head_dim])
        rows.append(self.rest(i, x, a)[:, first:])
    return torch.cat(rows)
