"""torch's optimisers by our names and settings, over one flat vector of parameters."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import torch

from streamrnn.core.optimisers import OPTIMISERS as OURS

Settings = Mapping[str, float]


def _sgd(flat: Any, s: Settings) -> Any:
    return torch.optim.SGD([flat], lr=0.0, momentum=s["momentum"], weight_decay=s["weight_decay"])


def _rmsprop(flat: Any, s: Settings) -> Any:
    return torch.optim.RMSprop(
        [flat],
        lr=0.0,
        alpha=s["alpha"],
        eps=s["epsilon"],
        momentum=s["momentum"],
        weight_decay=s["weight_decay"],
    )


def _adam(flat: Any, s: Settings) -> Any:
    betas = (s["beta_1"], s["beta_2"])
    return torch.optim.Adam([flat], lr=0.0, betas=betas, eps=s["epsilon"], weight_decay=s["weight_decay"])


def _adamw(flat: Any, s: Settings) -> Any:
    betas = (s["beta_1"], s["beta_2"])
    return torch.optim.AdamW([flat], lr=0.0, betas=betas, eps=s["epsilon"], weight_decay=s["weight_decay"])


OPTIMISERS: dict[str, Callable[[Any, Settings], Any]] = {
    "sgd": _sgd,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamw": _adamw,
}


class Optimiser:
    """Steps down a gradient; its state has a form from the start, so that a snapshot can be checked."""

    def __init__(self, name: str, settings: Settings, flat: Any) -> None:
        """`flat` (p,) is a leaf; settings that are not given are those of the compiled engine."""
        defaults: dict[str, float] = importlib.import_module(OURS[name]).SETTINGS
        if unknown := sorted(settings.keys() - defaults.keys()):
            raise ValueError(f"optimiser {name} has no setting {unknown[0]}")
        self._flat = flat
        self._optimiser = OPTIMISERS[name](flat, {**defaults, **settings})
        self.update(torch.zeros_like(flat), 0.0)  # torch makes the state at its first step
        for tensor in self.tensors().values():
            tensor.zero_()

    def update(self, gradient: Any, rate: float) -> None:
        """One step at the learning rate `rate`."""
        self._flat.grad = gradient
        self._optimiser.param_groups[0]["lr"] = rate
        self._optimiser.step()
        self._flat.grad = None

    def tensors(self) -> dict[str, Any]:
        """Its state by torch's names."""
        held = self._optimiser.state[self._flat]
        return {name: value for name, value in held.items() if isinstance(value, torch.Tensor)}
