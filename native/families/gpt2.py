# GPT-2 (Radford et al. 2019): learned positions.

def enter(self, i: int, x: Tensor, start: int) -> Tensor:
    if self.first_layer + i > 0:
        return x
    return x + torch.narrow(self.positions, 0, start, x.size(1))
