"""What the estimators share: their parameters, and what river asks of every estimator."""

import secrets
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from river import base

from streamrnn.core import Schedule, Window
from streamrnn.core.cells import CELLS
from streamrnn.core.head import ACTIVATIONS
from streamrnn.features import Spec, Target
from streamrnn.river.stream import Stream

WARMUP = 100
"""Labels over which the learning rate rises from 0."""
_MOMENTUM = {"adam": "beta_1", "adamw": "beta_1", "rmsprop": "momentum", "sgd": "momentum"}
"""What each optimiser calls it."""


@dataclass(eq=False, repr=False, kw_only=True)
class Recurrent(base.Estimator):
    """A compiled recurrent network whose state is carried from call to call of `learn_one`."""

    cell: str = "gru"
    """The recurrent cell: gru, lstm or elman."""
    hidden: int = 32
    """Units of a layer."""
    layers: int = 1
    """Recurrent layers, each reading the one below."""
    head: tuple[int, ...] | None = None
    """Hidden widths between the last layer and the output; None: the output is linear."""
    activation: str = "tanh"
    """Of the head's hidden units: tanh, relu or gelu."""
    window: int = 8
    """Steps back that a gradient reaches: k of BPTT(k; 1)."""
    optimiser: str = "adam"
    """adam, adamw, rmsprop or sgd."""
    momentum: float = 0.0
    """How much of the gradients before goes on; for adam and adamw their beta_1."""
    learning_rate: float = 5e-3
    """After the first 100 labels, over which it rises from 0."""
    clip: float = 10.0
    """Greatest norm of a gradient."""
    dtype: str = "float32"
    """float32, or float64, which is slower and there for checking."""
    half_life: float | None = 20_000.0
    """Events after which a value counts half in the scaling; None: all count the same for ever."""
    key: Hashable | None = None
    """The feature that names an event's stream; each has a state of its own. None: there is one stream."""
    max_keys: int = 10_000
    """Streams that are remembered; beyond, the one that was silent longest is forgotten."""
    max_inputs: int = 256
    """Inputs that features can claim; see `ignored`."""
    seed: int | None = None
    """Of the first weights; None: another one each time."""

    def __post_init__(self) -> None:
        self._refuse_nonsense()
        seed = secrets.randbits(32) if self.seed is None else self.seed
        target, specs = self._task()
        self._stream = Stream(
            target,
            specs,
            half_life=self.half_life,
            max_inputs=self.max_inputs,
            key=self.key,
            max_keys=self.max_keys,
            network={
                "name": type(self).__name__,
                "cell": self.cell,
                "hidden": self.hidden,
                "layers": self.layers,
                "head": self.head or (),
                "activation": self.activation,
                "loss": self._loss(),
                "window": Window.fixed(self.window),
                "optimiser": self.optimiser,
                "settings": {_MOMENTUM[self.optimiser]: self.momentum},
                "schedule": Schedule(self.learning_rate, WARMUP),
                "clip": self.clip,
                "dtype": self.dtype,
                "seed": seed,
            },
        )

    def _task(self) -> tuple[Target, tuple[Spec, ...]]:
        """What is predicted, and what of past labels is a feature."""
        raise NotImplementedError

    def _loss(self) -> str:
        raise NotImplementedError

    def _refuse_nonsense(self) -> None:
        for name, family in (("cell", CELLS), ("optimiser", _MOMENTUM), ("activation", ACTIVATIONS)):
            one_of(name, getattr(self, name), family)
        one_of("dtype", self.dtype, ("float32", "float64"))
        for name, value in self._get_params().items():
            if value == ():
                raise ValueError(f"{name}: expected None or at least one number")  # river cannot clone ()
        for name in ("hidden", "layers", "window", "max_keys", "max_inputs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if not 0.0 <= self.momentum < 1.0:
            raise ValueError(f"momentum: expected at least 0 and less than 1, got {self.momentum}")
        for name in ("learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected more than 0, got {getattr(self, name)}")

    @property
    def ignored(self) -> int:
        """How often a feature was learned from that found no input; `max_inputs` allows no more."""
        return self._stream.columns.ignored


def one_of(name: str, value: str, family: Any) -> None:
    """Raise ValueError unless the parameter is a member."""
    if value not in family:
        raise ValueError(f"{name}: expected one of {', '.join(family)}, got {value!r}")
