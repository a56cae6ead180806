"""The built-in networks as torch modules, by torch's names: for export, as an oracle, for the torch engine.

`networks: [{name: mine, torch: "streamrnn.core.pytorch.cells:Recurrent", args: {cell: lstm, hidden: 64}}]`
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch.nn import functional

GATES = {"elman": 1, "gru": 3, "lstm": 4}
CARRIED = {"elman": 1, "gru": 1, "lstm": 2}
"""Vectors that a layer carries from step to step."""
ACTIVATIONS = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "gelu": lambda x: functional.gelu(x, approximate="tanh"),
}


class Recurrent(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
    """One step of layers of `torch.nn.RNNCell`, `GRUCell` or `LSTMCell` and a head of dense layers.

    x (B, d), state h (B, layers, n), with lstm (h, c) → output (B, o) and the next state. Parameters are
    named and shaped as in `torch.nn.RNN`, `GRU`, `LSTM` (`weight_ih_l0`, …); the head's `head.{i}.weight` and
    `head.{i}.bias`. Where a cell only ever adds its two biases, the second is not learned, as in the compiled
    engine: it would move as the first does, and double its rate.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        cell: str = "gru",
        hidden: int = 64,
        layers: int = 1,
        head: Sequence[int] = (),
        activation: str = "tanh",
    ) -> None:
        super().__init__()
        self.cell, self.hidden, self.layers, self.activation = cell, hidden, layers, activation
        for layer in range(layers):
            self._add(layer, GATES[cell] * hidden, hidden if layer else inputs)
        widths = (hidden, *head, outputs)
        self.head = torch.nn.ModuleList(torch.nn.Linear(d, m) for d, m in pairwise(widths))
        torch.nn.init.zeros_(self.head[-1].weight)  # a new network answers 0, as the compiled one does
        torch.nn.init.zeros_(self.head[-1].bias)

    def _add(self, layer: int, rows: int, inputs: int) -> None:
        """The parameters of a layer, uniform within ±1/√n."""
        bound = self.hidden**-0.5
        shapes = {
            "weight_ih": (rows, inputs),
            "weight_hh": (rows, self.hidden),
            "bias_ih": (rows,),
            "bias_hh": (rows,),
        }
        for name, shape in shapes.items():
            learned = name != "bias_hh" or self.cell == "gru"
            born = torch.empty(shape).uniform_(-bound, bound) if learned else torch.zeros(shape)
            self.register_parameter(f"{name}_l{layer}", torch.nn.Parameter(born, requires_grad=learned))

    def initial_state(self, batch: int) -> Any:
        """Zeros."""
        zero = torch.zeros(batch, self.layers, self.hidden)
        return (zero, zero.clone()) if CARRIED[self.cell] == 2 else zero

    def forward(self, x: Any, state: Any) -> tuple[Any, Any]:
        before = state if isinstance(state, tuple) else (state,)
        after = []
        for layer in range(self.layers):
            after.append(self._step(layer, x, [part[:, layer] for part in before]))
            x = after[-1][0]
        for index, dense in enumerate(self.head):
            x = dense(ACTIVATIONS[self.activation](x) if index else x)
        parts = tuple(torch.stack(part, dim=1) for part in zip(*after, strict=True))
        return x, parts if len(parts) == 2 else parts[0]

    def _step(self, layer: int, x: Any, state: list[Any]) -> tuple[Any, ...]:
        """What one layer carries on, h′ first."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weights = [getattr(self, f"{name}_l{layer}") for name in names]
        if self.cell == "lstm":
            return tuple(torch.lstm_cell(x, tuple(state), *weights))
        function = torch.gru_cell if self.cell == "gru" else torch.rnn_tanh_cell
        return (function(x, state[0], *weights),)
