# GPT-NeoX (Black et al. 2022: Pythia) and Falcon (Almazrouei et al. 2023): rotary positions or ALiBi.

def enter(self, i: int, x: Tensor, start: int) -> Tensor:
    return x
