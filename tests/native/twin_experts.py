
# A mixture of experts in plain ATen, every expert evaluated at every row.

def weighted(self, w: Tensor, y: Tensor) -> Tensor:
    return w * y

def expert(self, h: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    both = torch.linear(h, gate_up)
    half = both.size(2) // 2
    gate = torch.narrow(both, 2, 0, half)
    up = torch.narrow(both, 2, half, half)
    return torch.linear(self.activate(gate) * up, down)

def mixture(self, i: int, h: Tensor) -> Tensor:
    shares = torch.softmax(torch.linear(h, self.router[i]), -1)
    least = torch.topk(shares, self.experts_used, -1)[0][:, :, self.experts_used - 1 :]
    w = shares * (shares >= least).to(shares.dtype)
    if self.normed_router == 1:
        w = w / torch.sum(w, [-1], True)
    y = torch.zeros_like(h)
    for e in range(self.router.size(1)):
        y = y + self.weighted(w[:, :, e : e + 1], self.expert(h, self.experts_gate_up[i, e], self.experts_down[i, e]))
    if self.shared_hidden > 0:
        share = torch.sigmoid(torch.linear(h, self.shared_router[i]))
        y = y + self.weighted(share, self.expert(h, self.shared_gate_up[i, 0], self.shared_down[i, 0]))
    return y
