"""`gradcheck` from the command line: a line per case, and an exit code that a script can trust."""

from collections.abc import Iterator

import pytest

from streamrnn.core import gradcheck as checks
from streamrnn.core.oracles import Form
from tests.cli.conftest import Run

CASE = checks.Case(Form("lstm", 2, 3, (5,), "relu", "squared"), 1, 1, 3)
GOOD = checks.Row(CASE, 40, 1e-15, 2e-15, 3e-9, 0.25)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (GOOD, 0),
        (GOOD._replace(autograd=2e-10), 1),
        (GOOD._replace(output=2e-10), 1),
        (GOOD._replace(differences=2e-6), 1),
        (GOOD._replace(total=1e-4), 1),
        (GOOD._replace(autograd=float("nan")), 1),
        (GOOD._replace(output=float("nan")), 1),
        (GOOD._replace(updates=0), 1),
    ],
)
def test_one_case_that_fails_is_marked_and_fails_the_command(
    run: Run, monkeypatch: pytest.MonkeyPatch, row: checks.Row, code: int
) -> None:
    def rows(cases: list[checks.Case], seed: int, processes: int) -> Iterator[checks.Row]:
        assert cases == checks.cases()
        yield GOOD
        yield row

    monkeypatch.setattr(checks, "gradcheck", rows)
    found, out, err = run("gradcheck")
    assert (found, err) == (code, "")
    assert out.count("FAILED") == code
    assert out.splitlines()[1].split() == [
        "lstm", "2", "3", "5", "relu", "1", "1", "squared", "h", "=", "3", "40",
        "1.0e-15", "2.0e-15", "3.0e-09", "2.5e-01",
    ]  # fmt: skip
    assert ("all gradients match" in out) == (code == 0)
