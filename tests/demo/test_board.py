"""The board: curves lie where their values are, and it fits into the terminal it is given."""

import io

import pytest
from rich.console import Console

from streamrnn.cli.demo.board import Scene, board
from streamrnn.cli.demo.curves import AXIS_WIDTH, Curve, Scale, draw
from streamrnn.cli.demo.readings import Readings
from streamrnn.cli.demo.screen import line
from streamrnn.cli.demo.status import Status
from tests.demo.test_readings import record

MEMBERS = ("mix", "one-step", "growing", "last", "mean", "season", "season_corrected")
WORKER = "worker 4194304, killed 99.9 s ago"
"""As long as it gets."""


def scene() -> Scene:
    readings = Readings()
    for hour in range(24 * 7 * 10):
        for column, sensor in enumerate(("a", "b", "c", "d")):
            losses = {name: 100.0 + 10 * index + hour / 100 for index, name in enumerate(MEMBERS)}
            readings.add(column % 2, sensor.encode(), record(sensor, hour, losses, hour * 2 + column // 2))
    status = Status(17, True, "", {"one-step": (1, 1), "growing": (2, 4)}, {"mix": 0.0, "growing": 0.75})
    return Scene(readings, 66037, 7000, 1234.5, status, WORKER, [3000])


def text(renderable: object, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (140, 40), (200, 50)])
def test_the_board_fits_into_the_terminal(width: int, height: int) -> None:
    lines = text(board(scene(), width, height), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert WORKER in lines[1]


def test_the_board_names_every_member_sensor_window_and_weight() -> None:
    shown = "\n".join(text(board(scene(), 140, 40), 140, 40))
    for word in (
        *MEMBERS,
        "6,720 of 66,037",
        "1,234/s",
        "lag 280",
        WORKER,
        "2·4",
        "75 %",
        "┊",
        "kill -9",
    ):
        assert word in shown


def test_before_the_first_prediction_the_board_is_empty_but_stands() -> None:
    lines = text(board(Scene(Readings(), 66037), 120, 35), 120, 35)
    assert any("0 of 66,037" in line for line in lines)


def test_a_line_tells_the_same_without_escape_codes() -> None:
    told = line(scene())
    assert "6,720 of 66,037 events" in told and "growing 128 (window 2·4)" in told
    assert "\x1b" not in told and "\n" not in told


def dots(plot: str) -> set[tuple[int, int]]:
    """Columns from the left and rows from the top of the braille dots, by the Unicode table of U+2800."""
    order = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
    found = set()
    for row, text_row in enumerate(plot.split("\n")):
        for column, character in enumerate(text_row[AXIS_WIDTH:]):
            bits = ord(character) - 0x2800 if character != " " else 0
            found |= {(2 * column + x, 4 * row + y) for bit, (x, y) in enumerate(order) if bits >> bit & 1}
    return found


def test_a_straight_line_runs_from_corner_to_corner() -> None:
    plot = draw([Curve("", [0.0, 1.0])], Scale(0.0, 1.0, ()), 2, AXIS_WIDTH + 4, 2).plain
    assert dots(plot) == {(x, 7 - x) for x in range(8)}


def test_values_beyond_the_scale_run_along_its_edge_and_unknown_ones_leave_a_gap() -> None:
    nan = float("nan")
    values = [5.0, 5.0, nan, -5.0, -5.0]
    plot = draw([Curve("", values)], Scale(0.0, 1.0, ()), 5, AXIS_WIDTH + 5, 2).plain
    assert dots(plot) == {(x, 0) for x in range(3)} | {(x, 7) for x in range(7, 10)}


def test_a_logarithmic_scale_puts_equal_ratios_at_equal_distances() -> None:
    scale = Scale(10.0, 1000.0, (), logarithmic=True)
    assert [scale.height(value) for value in (10.0, 100.0, 1000.0)] == pytest.approx([0.0, 0.5, 1.0])


def test_ticks_stand_at_their_row() -> None:
    plot = draw([], Scale(0.0, 7.0, (0.0, 7.0)), 2, AXIS_WIDTH + 4, 4).plain.split("\n")
    assert [row[:AXIS_WIDTH] for row in plot] == ["    7┤", "     │", "     │", "    0┤"]
