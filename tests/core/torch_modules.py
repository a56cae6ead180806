"""Modules such as users bring."""

import torch


class Leaky(torch.nn.Module):
    """A state of one tensor, found by probing."""

    def __init__(self, inputs, outputs, hidden=4):
        super().__init__()
        self.hidden = hidden
        self.take = torch.nn.Linear(inputs + hidden, hidden)
        self.give = torch.nn.Linear(hidden, outputs)

    def forward(self, x, state):
        if state is None:
            state = x.new_zeros(len(x), self.hidden)
        state = 0.7 * state + torch.tanh(self.take(torch.cat([x, state], dim=1)))
        return self.give(state), state


class Everything(torch.nn.Module):
    """What shapes the future beside weights: dropout, buffers, a frozen weight, a count in the state."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.cell = torch.nn.GRUCell(inputs, 6)
        self.frozen = torch.nn.Linear(6, 6)
        self.frozen.requires_grad_(False)
        self.drop = torch.nn.Dropout(0.5)
        self.give = torch.nn.Linear(6, outputs)
        self.register_buffer("mean", torch.zeros(6))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def initial_state(self, batch):
        return torch.full((batch, 6), 0.1), torch.zeros(batch, dtype=torch.int64)

    def forward(self, x, state):
        h, age = state
        h = self.cell(x, h)
        with torch.no_grad():
            self.mean.lerp_(h[0].detach(), 0.1)
            self.calls += 1
        seen = self.frozen(self.drop(h) - self.mean) * torch.exp(-0.01 * age[:, None])
        return self.give(seen), (h, age + 1)


class Exploding(torch.nn.Module):
    """State and buffer grow beyond every number where the first input is above 3."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.give = torch.nn.Linear(1, outputs)
        self.register_buffer("total", torch.zeros(1, 1))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def initial_state(self, batch):
        return torch.zeros(batch, 1)

    def forward(self, x, state):
        after = torch.where(x[:, :1] > 3, torch.inf, 0.5 * state + x[:, :1])
        self.total += after.detach()
        self.calls += 1
        return self.give(state), after


class Broken(torch.nn.Module):
    """Forgets to take the input's width into account."""

    def __init__(self):
        super().__init__()
        self.give = torch.nn.Linear(99, 1)

    def forward(self, x, state):
        return self.give(x), x


class Stubborn(torch.nn.Module):
    """Nothing in it can be learned."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs

    def forward(self, x, state):
        return x[:, :1].expand(-1, self.outputs), x


class Bare(torch.nn.Module):
    """Returns an output alone."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.give = torch.nn.Linear(inputs, outputs)

    def forward(self, x, state):
        return self.give(x)


class Complex(torch.nn.Module):
    """A state that no snapshot can hold."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.give = torch.nn.Linear(inputs, outputs)

    def forward(self, x, state):
        return self.give(x), torch.zeros(len(x), 2, dtype=torch.complex64)


no_module = dict
