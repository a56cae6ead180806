"""What kind of prediction it is."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from streamrnn.cli.columns import Column
from streamrnn.cli.infer.inference import Inference
from streamrnn.cli.infer.series import Series, autocorrelation, season_of
from streamrnn.cli.infer.wishes import TaskName, Wishes, check_rows_of
from streamrnn.errors import InputError
from streamrnn.features.tokens import UNKNOWN

SERIES = 0.5
"""Autocorrelation from which a field is a series rather than a quantity to be looked up. From there on its
changes vary less than its values, so it is better learned as a change from the last one."""
_CLASS_NAMES = re.compile(
    r"(^|_)(class|label|category|code|type|kind|state|status|activity|species)$", re.IGNORECASE
)
_CODES = range(3, 21)
"""So many whole numbers, without a gap and under such a name, are classes; so are up to 64 that are about
equally frequent, where a count would have rare values at its end."""
_MORE_CODES = range(3, 65)
_RARE = 0.2
"""Share of the mean frequency below which a value is rare."""
_FEW_TEXTS = 64
_MOST_CLASSES = 1000
"""Different texts beyond which they are not taken for classes unasked."""
_BOUND = 4096
"""Most classes that a task can have."""
_ROOMY = 48
"""Classes in the sample beyond which the default room of 64 may get tight."""
_WORDS = 4
"""Words in the mean from which a text is more than a name."""
_MOST_CHARACTERS = 128
_ENOUGH_CHARACTERS = 150_000
_EXPECTED: dict[TaskName, str] = {
    "forecast": "numbers",
    "regression": "numbers",
    "binary": "0 and 1 or false and true (--task multiclass takes any classes)",
    "multiclass": f"texts, whole numbers or booleans, at most {_BOUND} different ones",
    "next_token": "texts",
}


def decide_task(
    columns: Mapping[str, Column], target: Column, series: Series, wishes: Wishes, result: Inference
) -> None:
    """Fills in the task. Raises InputError where the target does not suit what is wished."""
    task = wishes.task or _kind(columns, target, series, wishes)
    check_rows_of(task, wishes)
    if not _suits(target, task):
        raise InputError(
            f"--task {task}: {target.name} holds {target.kind} values; expected {_EXPECTED[task]}"
        )
    if wishes.task is None and (note := _note(task, target, wishes)):
        result.notes.append(note)
    if task == "forecast" or task == "regression":
        result.task = _of_numbers(task, target, series, wishes, result)
    elif task == "next_token":
        result.task = {task: target.name} | _vocabulary(target)
        length = sum(map(len, target.known)) / len(target.known)
        result.enough_rows = max(2, round(_ENOUGH_CHARACTERS / max(length, 1.0)))
    else:
        result.task = {task: target.name} | (_bound(target) if task == "multiclass" else {})
        if series.same_all_along:
            result.past_labels = False
            result.notes.append(
                f"past labels: not used ({target.name} is the same on all rows of a {result.key})"
            )


# --- which kind ---------------------------------------------------------------------------------------


def _kind(columns: Mapping[str, Column], target: Column, series: Series, wishes: Wishes) -> TaskName:
    if target.two_classes:
        return "binary"
    if target.kind in ("boolean", "text") and target.distinct < 2:
        raise InputError(
            f"--predict {target.name}: it has one value only in the first {len(target.values)} rows"
        )
    if target.kind == "text":
        return "next_token" if _is_running_text(target) else "multiclass"
    if wishes.horizon is not None:
        return "forecast" if wishes.horizon else "regression"
    if _is_coded(target):
        return "multiclass"
    return "forecast" if _is_series(columns, target, series) else "regression"


def _is_running_text(column: Column) -> bool:
    """Raises InputError where it is neither text nor a choice of classes."""
    known = [text for text in column.known if text.strip()]
    if len(set(known)) > len(known) / 2:
        return True
    if column.distinct > _FEW_TEXTS and sum(len(text.split()) for text in known) >= _WORDS * len(known):
        return True
    if column.distinct > _MOST_CLASSES:
        raise InputError(
            f"--predict {column.name}: it has {column.distinct} different texts; say --task multiclass "
            f"if they are classes, or --task next_token to predict them character by character"
        )
    return False


def _is_coded(column: Column) -> bool:
    if column.kind != "whole" or column.distinct not in _MORE_CODES or min(column.known) not in (0, 1):
        return False
    if max(column.known) - min(column.known) != column.distinct - 1:
        return False
    if named := _CLASS_NAMES.search(column.name) is not None and column.distinct in _CODES:
        return True
    counts = Counter(column.known).values()
    even = min(counts) >= _RARE * len(column.known) / column.distinct
    return even and (named or column.name.lower() == "target")


def _is_series(columns: Mapping[str, Column], target: Column, series: Series) -> bool:
    alone = not any(column.numeric and column is not target for column in columns.values())
    return alone or series.step is not None or autocorrelation(series, 1) >= SERIES


def _suits(target: Column, task: TaskName) -> bool:
    match task:
        case "binary":
            return target.two_classes
        case "multiclass":
            return target.kind in ("text", "whole", "boolean") and target.distinct <= _BOUND
        case "next_token":
            return target.kind == "text"
        case _:
            return target.numeric


def _note(task: TaskName, target: Column, wishes: Wishes) -> str | None:
    """How the task was decided; None if the user did."""
    name, count = target.name, target.distinct
    if task == "binary":
        return f"task: binary ({name} is 0 or 1; predicted from its own row, then learned)"
    if task == "multiclass":
        other = "--task regression if they are amounts" if target.numeric else "then learned"
        return f"task: multiclass ({name} has {count} classes; predicted from its own row, {other})"
    if task == "next_token":
        return f"task: next_token ({name} is text; each character is predicted from those before it)"
    if wishes.horizon is not None:
        return None
    classes = target.kind == "whole" and count in _MORE_CODES
    other = f"; --task multiclass if its {count} values are classes" if classes else ""
    if task == "forecast":
        return f"task: forecast of {name}, 1 row ahead (--horizon N; 0 predicts it from its own row{other})"
    return f"task: regression of {name} from its own row (--horizon N forecasts it N rows ahead{other})"


# --- its settings -------------------------------------------------------------------------------------


def _of_numbers(
    task: TaskName, target: Column, series: Series, wishes: Wishes, result: Inference
) -> dict[str, Any]:
    horizon = 0 if task == "regression" else wishes.horizon or 1
    season = season_of(series, horizon) if wishes.season is None else wishes.season or None
    reference = "last" if autocorrelation(series, max(horizon, 1)) >= SERIES else "none"
    settings: dict[str, Any] = {task: target.name}
    if horizon:
        settings["horizon"] = horizon
    if season:
        settings["season"] = season
        if wishes.season is None:
            result.notes.append(f"season: {season} rows (--season N; 0 for none)")
    if (reference == "last") != (task == "forecast"):  # the defaults are left out
        settings["reference"] = reference
    return settings


def _bound(target: Column) -> dict[str, int]:
    """Room for classes that the sample does not have."""
    return {"bound": min(2 * target.distinct, _BOUND)} if target.distinct > _ROOMY else {}


def _vocabulary(target: Column) -> dict[str, str]:
    """The characters of the sample, if they are few: cheaper than 256 bytes, and one step for each."""
    characters = "".join(sorted(set("".join(target.known))))
    few = 2 <= len(characters) <= _MOST_CHARACTERS and UNKNOWN not in characters
    return {"vocabulary": characters} if few else {}
