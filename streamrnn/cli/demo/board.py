"""The board: everything that a terminal shows while the stream flows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streamrnn.cli.demo.curves import AXIS_WIDTH, Curve, Scale, draw
from streamrnn.cli.demo.readings import RECENT_WEEKS, Readings, skill
from streamrnn.cli.demo.status import Status

WEEKS = 106
"""Of the stream, begun ones included: the width of the plots."""
MELBOURNE = ZoneInfo("Australia/Melbourne")
NETWORKS = ("one-step", "growing")
LEARNED = ("mix", *NETWORKS)
STYLES = {
    "mix": "bold bright_green",
    "growing": "bright_magenta",
    "one-step": "bright_yellow",
    "season_corrected": "bright_cyan",
    "season": "bright_blue",
    "last": "white",
    "mean": "bright_black",
}
MEANING = {
    "mix": "published: all below, weighted by their past errors",
    "growing": "GRU whose gradient reaches ever further back",
    "one-step": "GRU whose gradient stays within the hour",
    "season_corrected": "same hour last week, moved by how this week differs",
    "season": "same hour last week",
    "last": "the hour before",
    "mean": "the sensor's mean so far",
}
ERRORS = Scale(75.0, 300.0, (80.0, 100.0, 125.0, 150.0, 200.0, 250.0), logarithmic=True)
SKILLS = Scale(-0.6, 0.4, (-0.4, -0.2, 0.0, 0.2), form="{:+.1f}")
FEWEST_ROWS = 6
WIDE = 100


@dataclass
class Scene:
    """What there is to show."""

    readings: Readings
    total: int
    """Events of the whole stream."""
    published: int = 0
    """Of them in the topic."""
    rate: float = 0.0
    """Predictions a second."""
    status: Status = field(default_factory=Status)
    worker: str = ""
    kills: list[int] = field(default_factory=list)
    """Events that had been predicted when the worker was killed."""
    address: str = ""
    """Of the worker's HTTP."""

    @property
    def lag(self) -> int:
        """Events that are in the topic and not yet predicted."""
        return max(0, self.published - self.readings.count)


def board(scene: Scene, width: int, height: int) -> RenderableType:
    """Fits into `width` by `height` characters; a small terminal gets fewer plots."""
    head = [_title(scene, width), _progress(scene, width)]
    tables = _tables(scene, width)
    used = len(head) + sum(rows for _, rows in tables) + 1
    plot_rows = max(FEWEST_ROWS, height - used)
    return Group(*head, _plots(scene, width, plot_rows), *(table for table, _ in tables), _keys(scene, width))


def _title(scene: Scene, width: int) -> Text:
    latest = max((p.time for p in scene.readings.latest.values() if p.time), default=None)
    when = latest.astimezone(MELBOURNE).strftime("%a %d %b %Y") if latest else ""
    title = Text("streamrnn", "bold")
    title.append(" · pedestrians in Melbourne, hour by hour", "default")
    title.append(when.rjust(max(0, width - len(title))), "bold")
    return title


def _progress(scene: Scene, width: int) -> Text:
    text = Text(f"{scene.readings.count:>6,} of {scene.total:,} events  ")
    text.append(f"{scene.rate:>5,.0f}/s", "bold")
    text.append(f"  lag {scene.lag:<5,} ")
    text.append(scene.worker, "bright_red" if "killed" in scene.worker else "dim")
    room = width - len(text) - 2
    if room > 8:
        full = round(room * scene.readings.count / scene.total)
        text.append("  ").append("━" * full, "bright_green").append("━" * (room - full), "bright_black")
    return text


def _keys(scene: Scene, width: int) -> Text:
    keys = Text()
    keys.append(" k ", "reverse").append(" kill -9 the worker   ")
    keys.append(" q ", "reverse").append(" leave")
    return keys.append(scene.address.rjust(max(0, width - len(keys))), "dim")


# --- curves ---------------------------------------------------------------------------------------


def _plots(scene: Scene, width: int, rows: int) -> RenderableType:
    if width < WIDE:
        return plot_of_errors(scene, width, rows)
    left = width * 3 // 5
    skills = _skill_curves(scene.readings.curves())
    grid = Table.grid()
    grid.add_row(
        plot_of_errors(scene, left, rows),
        _plot(skills, SKILLS, "skill against the best baseline", scene, width - left, rows),
    )
    return grid


def plot_of_errors(scene: Scene, width: int, rows: int) -> Text:
    """Each member's recent error as it developed."""
    curves = _error_curves(scene.readings.curves())
    title = f"mean absolute error, last {RECENT_WEEKS} weeks, mean over sensors"
    return _plot(curves, ERRORS, title, scene, width, rows)


def _plot(curves: Sequence[Curve], scale: Scale, title: str, scene: Scene, width: int, rows: int) -> Text:
    text = Text(f"{'':{AXIS_WIDTH}}{title}"[:width].ljust(width) + "\n", "dim", no_wrap=True)
    marks = [count / scene.total for count in scene.kills]
    text.append_text(draw(curves, scale, WEEKS, width, rows - 2, marks)).append("\n")
    return text.append_text(_time_axis(width))


def _error_curves(errors: Mapping[str, Sequence[float]]) -> list[Curve]:
    """Baselines below, networks above them, the mix on top."""
    order = [name for name in reversed(STYLES) if name in errors]
    return [Curve(STYLES[name], errors[name]) for name in order]


def _skill_curves(errors: Mapping[str, Sequence[float]]) -> list[Curve]:
    weeks = len(next(iter(errors.values()), ()))
    skills = [skill({name: curve[week] for name, curve in errors.items()}, LEARNED) for week in range(weeks)]
    zero = Curve("bright_black", [0.0] * WEEKS)
    nan = float("nan")
    return [zero, *(Curve(STYLES[name], [at.get(name, nan) for at in skills]) for name in reversed(LEARNED))]


def _time_axis(width: int) -> Text:
    columns = width - AXIS_WIDTH
    labels = [" "] * columns
    for year, share in (("2015", 0.0), ("mid 2015", 0.25), ("2016", 0.5), ("mid 2016", 0.75)):
        at = round(share * (columns - 1))
        labels[at : at + len(year)] = year
    return Text(" " * AXIS_WIDTH + "".join(labels[:columns]), "dim", no_wrap=True)


# --- tables ---------------------------------------------------------------------------------------


def _tables(scene: Scene, width: int) -> list[tuple[RenderableType, int]]:
    """Tables and the rows that each takes."""
    members, sensors = members_table(scene, wide=width >= 2 * WIDE), _sensors_table(scene)
    members_rows, sensors_rows = 1 + len(STYLES), 1 + max(1, len(scene.readings.latest))
    if width < WIDE:
        return [(members, members_rows), (sensors, sensors_rows)]
    grid = Table.grid(padding=(0, 2))
    grid.add_row(members, sensors)
    return [(grid, max(members_rows, sensors_rows))]


def members_table(scene: Scene, *, wide: bool, final: bool = False) -> Table:
    """Window, recent error, skill and share of the mix of each member; `final`: of all time too."""
    spans = [("recent" if final else "error", scene.readings.recent())]
    if final:
        spans.append(("overall", scene.readings.whole()))
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    heads = ["", "window"]
    for title, _ in spans:
        table.add_column(justify="right", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        heads += [title, "skill"]
    table.add_column(justify="right", no_wrap=True)
    table.add_row(*heads, "share of the mix", style="dim")
    for name, style in STYLES.items():
        windows = "·".join(map(str, scene.status.windows.get(name, ())))
        row: list[Text | str] = [Text(f"━━ {name}", style), windows]
        for _, errors in spans:
            row += _error_and_skill(errors, name)
        row.append(_share(scene.status.weights.get(name), style))
        table.add_row(*row, *([Text(MEANING[name], "dim")] if wide else []))
    return table


def _error_and_skill(errors: Mapping[str, float], name: str) -> tuple[str, str]:
    if name not in errors:
        return "", ""
    return f"{errors[name]:.1f}", f"{skill(errors, LEARNED).get(name, 0.0):+.2f}"


def _share(weight: float | None, style: str) -> Text:
    if weight is None:
        return Text("")
    return Text("▪" * round(10 * weight), style).append(f"{100 * weight:>4.0f} %", "default")


def _sensors_table(scene: Scene) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    for _ in range(4):
        table.add_column(justify="right", no_wrap=True)
    table.add_row("sensor", "hour", "predicted", "counted", "next hour", style="dim")
    for sensor, latest in sorted(scene.readings.latest.items()):
        hour = latest.time.astimezone(MELBOURNE).strftime("%H:00") if latest.time else ""
        judged = latest.judged
        predicted, counted = (f"{judged.prediction:,.0f}", f"{judged.label:,.0f}") if judged else ("", "")
        table.add_row(sensor, hour, predicted, counted, Text(f"{latest.prediction:,.0f}", "bold"))
    return table
