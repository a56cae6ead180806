"""The opponent: what a good PyTorch programmer writes to learn event by event with BPTT(k; 1), on one thread.

`GRUCell` for one step (faster there than `GRU`), `GRU` over the window otherwise (one call, a loop in
C++); gradients set to None rather than to zero; fused Adam; clipping by torch's own function; states
detached, never copied.
"""

from collections import deque

import torch


class TorchLoop:
    """GRU, linear head, squared error, clipping and Adam; `learn` takes one event."""

    def __init__(self, inputs: int, hidden: int, window: int) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.cell = torch.nn.GRUCell(inputs, hidden)
        self.gru = torch.nn.GRU(inputs, hidden)
        for mine, its in zip(self.gru.parameters(), self.cell.parameters(), strict=True):
            mine.data = its.data
        self.head = torch.nn.Linear(hidden, 1)
        recurrent = self.cell if window == 1 else self.gru
        self.parameters = [*recurrent.parameters(), *self.head.parameters()]
        self.optimiser = torch.optim.Adam(self.parameters, lr=3e-4, fused=True)
        self.inputs: deque[torch.Tensor] = deque(maxlen=window)
        self.entries: deque[torch.Tensor] = deque(maxlen=window)
        self.state = torch.zeros(1, hidden)
        self.learn = self._learn_one_step if window == 1 else self._learn_window

    def _learn_one_step(self, x: torch.Tensor, target: torch.Tensor) -> float:
        """x (1, d), target (1, 1): the prediction that was made before learning."""
        state = self.cell(x, self.state)
        output = self.head(state)
        self._descend(output, target)
        self.state = state.detach()
        return output.item()

    def _learn_window(self, x: torch.Tensor, target: torch.Tensor) -> float:
        """The state carried goes one step on; the window runs again from its stored entry state."""
        self.inputs.append(x)
        self.entries.append(self.state)
        with torch.no_grad():
            self.state = self.cell(x, self.state)
            published = self.head(self.state)
        _, last = self.gru(torch.stack(tuple(self.inputs)), self.entries[0][None])
        self._descend(self.head(last[0]), target)
        return published.item()

    def _descend(self, output: torch.Tensor, target: torch.Tensor) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        loss = 0.5 * torch.nn.functional.mse_loss(output, target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
