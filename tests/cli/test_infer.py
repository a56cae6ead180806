"""A configuration from rows that nobody described."""

import math
import random
from typing import Any

import pytest

from streamrnn.cli.infer import Inference, Wishes, infer
from streamrnn.cli.inferred import as_yaml
from streamrnn.config import parse
from streamrnn.errors import InputError

HOURS = 24 * 7 * 5


def hourly(keys: int = 1, hours: int = HOURS, **extra: Any) -> list[dict[str, Any]]:
    """Rows of a daily rhythm, keys interleaved by time."""
    noise = random.Random(0)
    return [
        {
            "at": f"2024-01-{1 + hour // 24 % 28:02}T{hour % 24:02}:00:00" if hour < 672 else later(hour),
            "place": f"p{key}",
            "y": 10.0 * key + 5 * math.sin(hour / 24 * math.tau) + noise.gauss(),
            **extra,
        }
        for hour in range(hours)
        for key in range(keys)
    ]


def later(hour: int) -> str:
    days, hour = divmod(hour - 672, 24)
    return (
        f"2024-02-{1 + days:02}T{hour:02}:00:00" if days >= 3 else f"2024-01-{29 + days:02}T{hour:02}:00:00"
    )


def inferred(rows: list[dict[str, Any]], **wishes: Any) -> Inference:
    """Checked on the way: whatever is inferred is a valid configuration, and survives its own text."""
    inference = infer(rows, Wishes(**{"predict": "y", **wishes}))
    parse(as_yaml(inference), "inferred")
    return inference


def kinds(inference: Inference) -> dict[str, str]:
    """Feature kind by field."""
    return {feature[kind]: kind for feature in inference.features for kind in list(feature)[:1]}


def test_interleaved_hourly_rows_become_a_keyed_forecast_with_a_daily_season() -> None:
    inference = inferred(hourly(keys=3))
    assert inference.task == {"forecast": "y", "horizon": 1, "season": 24}
    assert (inference.key, inference.time) == ("place", "at")
    assert inference.features == [
        {"number": "y"},
        {"calendar": "at", "parts": ["hour", "weekday"], "zone": "UTC"},
        {"lags": "y", "steps": [24, 168]},
    ]


def test_what_the_user_says_is_not_guessed() -> None:
    inference = inferred(hourly(keys=3), key="", horizon=6, season=0, zone="Europe/Paris", ignore=("place",))
    assert inference.task == {"forecast": "y", "horizon": 6}
    assert inference.key is None
    assert inference.features[1]["zone"] == "Europe/Paris"
    assert "place" not in kinds(inference)
    assert inference.notes == ["time: at (the first field that holds times)"]


def test_every_guess_is_told() -> None:
    notes = inferred(hourly(keys=3, constant=1)).notes
    assert [note.split(" ")[:2] for note in notes] == [
        ["time:", "at"], ["key:", "place"], ["task:", "forecast"], ["season:", "24"], ["left", "out:"]
    ]  # fmt: skip


def test_series_one_after_the_other_are_found_by_the_clock_that_runs_backwards() -> None:
    rows = sorted(hourly(keys=3), key=lambda row: row["place"])
    for row in rows:
        row["colour"] = row.pop("place")
    assert inferred(rows).key is None  # the clock is set back twice only: these rows may be one stream
    interleaved = [{"colour": row.pop("place"), **row} for row in hourly(keys=3)]
    assert inferred(interleaved).key == "colour"


def test_weather_that_repeats_an_hour_is_no_key() -> None:
    rows = hourly()
    doubled = [
        {**row, "sky": sky}
        for i, row in enumerate(rows)
        for sky in (["fog", "rain"] if i % 9 == 0 else ["fog"])
    ]
    assert inferred([{k: v for k, v in row.items() if k != "place"} for row in doubled]).key is None


@pytest.mark.parametrize("values", [(0, 1), (False, True), (0.0, 1.0)])
def test_two_classes_are_a_binary_task_of_their_own_row(values: tuple[Any, Any]) -> None:
    inference = inferred([{"x": 0.1 * i, "y": values[i % 2]} for i in range(50)])
    assert inference.task == {"binary": "y"}
    assert inference.features == [{"number": "x"}, {"previous": "y"}]


def test_rows_without_order_become_a_regression() -> None:
    rows = [{"x": float(i * 7919 % 101), "y": float(i * 104729 % 97)} for i in range(200)]
    assert inferred(rows).task == {"regression": "y"}
    assert inferred(rows, horizon=2).task == {"forecast": "y", "horizon": 2}


def test_a_lone_number_or_a_smooth_one_is_forecast() -> None:
    assert inferred([{"y": float(i * 104729 % 97)} for i in range(200)]).task == {
        "forecast": "y",
        "horizon": 1,
    }
    smooth = [{"x": float(i * 7919 % 101), "y": math.sin(i / 9)} for i in range(200)]
    assert inferred(smooth).task == {"forecast": "y", "horizon": 1}


def test_regression_of_a_timed_row_learns_from_its_own_fields_and_the_last_label() -> None:
    inference = inferred(hourly(temp=1.5), horizon=0, season=24)
    assert inference.task == {"regression": "y", "season": 24}
    assert {"previous": "y"} in inference.features and {"number": "y"} not in inference.features


def test_fields_find_their_kind() -> None:
    rows = [
        {
            "y": float(i),
            "code": i % 5,
            "amount": i * 37 % 1000,
            "share": i / 7,
            "open": i % 2 == 0,
            "word": "ab"[i % 2],
            "gap": None if i % 3 else 1.5 + i,
        }
        for i in range(300)
    ]
    assert kinds(inferred(rows)) == {
        "y": "number", "code": "category", "amount": "number", "share": "number", "open": "category",
        "word": "category", "gap": "number",
    }  # fmt: skip
    assert {"category": "code", "bound": 5, "buckets": 1} in inferred(rows).features


def test_what_cannot_help_is_left_out_and_told() -> None:
    rows = [
        {
            "y": math.sin(i / 9),
            "row": i,
            "uid": f"u{i}",
            "same": 3,
            "none": None,
            "nested": [i],
            "odd": i if i % 2 else "x",
            **({"rare": 1.0 + i} if i % 2 else {}),
        }
        for i in range(1200)
    ]
    inference = inferred(rows)
    assert kinds(inference) == {"y": "number"}
    left_out = {note.split(" ")[2]: note for note in inference.notes if note.startswith("left out")}
    assert set(left_out) == {"row", "uid", "same", "none", "nested", "odd", "rare"}
    assert "missing from 600 of the first 1200 rows" in left_out["rare"]


def test_an_irregular_clock_adds_the_time_elapsed() -> None:
    rows = [{"at": 1_700_000_000 + 60 * i + 13 * (i * i % 37), "y": float(i % 5)} for i in range(400)]
    assert {"elapsed": "at"} in inferred(rows).features
    assert inferred(rows).time == "at"


def test_months_are_a_regular_clock_with_a_season_of_twelve() -> None:
    rows = [
        {"month": f"{2000 + i // 12}-{1 + i % 12:02}-01", "y": 50 * math.sin(i / 12 * math.tau) + i % 3}
        for i in range(120)
    ]
    inference = inferred(rows)
    assert inference.task == {"forecast": "y", "horizon": 1, "season": 12}
    assert inference.features[1:] == [
        {"calendar": "month", "parts": ["month"], "zone": "UTC"},
        {"lags": "y", "steps": [12]},
    ]


@pytest.mark.parametrize(
    ("wishes", "problem"),
    [
        ({"predict": None}, "say what to predict with --predict FIELD; the file has at (time), place (text)"),
        ({"predict": "yy"}, "--predict yy: the file has no such field; it has at (time)"),
        ({"predict": "place"}, "--predict place: it holds text values"),
        ({"key": "kk"}, "--key kk: the file has no such field"),
        ({"key": "y"}, "--key y: it holds number values; keys are texts or whole numbers"),
        ({"time": "place"}, "--time place: it holds text values; times are ISO 8601 or seconds since 1970"),
        ({"zone": "Europe/Pariss"}, "--zone Europe/Pariss: unknown time zone"),
        ({"ignore": ("wat",)}, "--ignore wat: the file has no such field"),
        ({"season": 1}, "--season 1: expected at least 2 rows"),
        ({"season": 4, "horizon": 6}, "--season 4: shorter than --horizon 6"),
    ],
)  # fmt: skip
def test_a_wish_that_cannot_be_met_is_named(wishes: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError) as caught:
        inferred(hourly(), **wishes)
    assert str(caught.value).startswith(problem)


def test_classes_ahead_and_a_single_class_are_refused() -> None:
    with pytest.raises(InputError, match="--horizon 3: classes are predicted for their own row"):
        inferred([{"y": i % 2} for i in range(9)], horizon=3)
    with pytest.raises(InputError, match="it has one value only"):
        inferred([{"y": True} for _ in range(9)])


def test_odd_names_survive_the_yaml() -> None:
    rows = [{"y": float(i), "no": i / 3, "a: b": i / 7, "007": i / 9, "naïve #1": i / 5} for i in range(50)]
    assert set(kinds(inferred(rows))) == {"y", "no", "a: b", "007", "naïve #1"}
