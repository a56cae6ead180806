"""What the page about river shows works as it stands."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "river.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


CASES = [*zip(EXAMPLES, [0.7, 50.0], strict=True)]


@pytest.mark.parametrize(("example", "worst"), CASES, ids=["score", "forecast"])
def test_an_example_runs_and_its_errors_are_small(example, worst, capsys):
    exec(example, {})
    errors = [float(number) for number in re.findall(r"\d+\.\d+", capsys.readouterr().out)]
    assert errors and max(errors) < worst
