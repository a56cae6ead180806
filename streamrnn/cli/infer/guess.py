"""From rows to a configuration, one decision after the other."""

from collections.abc import Mapping, Sequence
from typing import Any

from streamrnn.cli.columns import survey
from streamrnn.cli.infer.features import decide_features
from streamrnn.cli.infer.fields import key_of, target_of, time_of
from streamrnn.cli.infer.inference import Inference
from streamrnn.cli.infer.networks import decide_networks
from streamrnn.cli.infer.series import series_of
from streamrnn.cli.infer.task import decide_task
from streamrnn.cli.infer.wishes import Wishes, check


def infer(rows: Sequence[Mapping[str, Any]], wishes: Wishes) -> Inference:
    """The configuration that suits the rows, one at least. Raises InputError when a wish cannot be met."""
    columns = survey(rows)
    check(wishes, columns)
    result = Inference()
    target = target_of(columns, wishes, result)
    time = time_of(columns, target, wishes, result)
    key = key_of(columns, target, time, wishes, result)
    series = series_of(target, key, time, wishes.zone)
    decide_task(columns, target, series, wishes, result)
    decide_features(columns, target, series, wishes, result)
    decide_networks(result)
    return result
