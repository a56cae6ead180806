"""A network of one's own: memories of different lengths that a dense layer reads. See torch_module.yaml."""

import math

import torch


class Timescales(torch.nn.Module):
    """n leaky integrators, h′ = a ⊙ h + (1 − a) ⊙ tanh(W x + b), whose rates of forgetting are learned too.

    They begin with half-lives from 1 to `longest` events. A module like this can say what no built-in cell
    can; it only needs `forward(x, state) -> (output, state)`. `inputs` and `outputs` are given by streamrnn,
    the rest comes from `args` in the configuration.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int = 32, longest: float = 200.0) -> None:
        super().__init__()
        half_lives = torch.logspace(0.0, math.log10(longest), hidden)
        self.keep = torch.nn.Parameter(torch.logit(0.5 ** (1.0 / half_lives)))
        self.take = torch.nn.Linear(inputs, hidden)
        self.mix = torch.nn.Linear(inputs + hidden, hidden)
        self.give = torch.nn.Linear(hidden, outputs)
        torch.nn.init.zeros_(self.give.weight)  # a new network answers 0: no change from the reference
        torch.nn.init.zeros_(self.give.bias)

    def initial_state(self, batch: int) -> torch.Tensor:
        """What a key that was never seen begins with (without this method: zeros)."""
        return torch.zeros(batch, len(self.keep))

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x (B, inputs), state (B, n) → output (B, outputs) and the state to go on with."""
        a = torch.sigmoid(self.keep)
        state = a * state + (1.0 - a) * torch.tanh(self.take(x))
        seen = torch.tanh(self.mix(torch.cat([x, state], dim=1)))
        return self.give(seen), state
