"""What learns: few networks that differ in what they are good at, the same for every file."""

from streamrnn.cli.infer.features import inputs_of
from streamrnn.cli.infer.inference import Inference

_MOST_INPUTS = 300
"""Beyond, least squares would cost more than the networks: its work grows with the square of the inputs."""


def decide_networks(result: Inference) -> None:
    """Fills in the networks."""
    if "next_token" in result.task:
        result.networks = [{"name": "one-step", "window": 1}, {"name": "short", "window": 4}]
    elif "binary" in result.task or "multiclass" in result.task:
        result.networks = [
            {"name": "long", "window": 16},
            {"name": "one-step", "window": 1, "learning_rate": 0.01},
        ]
    else:
        result.networks = [
            {"name": "short", "window": 4},
            {"name": "one-step", "window": 1, "learning_rate": 0.002},
        ]
        if inputs_of(result.features) <= _MOST_INPUTS:
            result.networks.append({"name": "linear", "least_squares": {}})
