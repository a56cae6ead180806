"""What was decided."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Inference:
    """A configuration as plain values, and how each part of it was decided."""

    task: dict[str, Any] = field(default_factory=dict)
    key: str | None = None
    time: str | None = None
    features: list[dict[str, Any]] = field(default_factory=list)
    networks: list[dict[str, Any]] = field(default_factory=list)
    past_labels: bool = True
    """False: they would give the label away, so naive rules that repeat them stay out of the mix."""
    enough_rows: int | None = None
    """So many show what learning brings; None: let all of them count."""
    notes: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """What a configuration file says, defaults left out."""
        parts = {
            "task": self.task,
            "key": self.key,
            "time": self.time,
            "features": self.features,
            "networks": self.networks,
            "mix": None if self.past_labels else {"baselines": False},
        }
        return {name: value for name, value in parts.items() if value}
