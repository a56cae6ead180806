"""What a pass over a file has shown: a table, curves, and a sentence."""

from collections.abc import Sequence

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from streamrnn.cli.passage import Outcome
from streamrnn.cli.plot import Curve, plot
from streamrnn.learner import OUTCOMES, Learner

_MIX = "bold green"
_NETWORKS = ("cyan", "magenta", "blue", "yellow", "bright_red", "bright_blue")
_RULE = "bright_black"
_EQUAL = 0.01
"""Skill within which two errors count as the same."""
_NAMES = {"mae": "mean absolute error", "log_loss": "log loss", "bits_per_character": "bits per character"}
_SHORT = {
    "mae": "MAE",
    "rmse": "RMSE",
    "log_loss": "log loss",
    "accuracy": "accuracy",
    "bits_per_character": "bits/char",
}
_SMOOTH = 8
"""Points of a curve that are drawn as one."""


def verdict(learner: Learner, outcome: Outcome, console: Console) -> RenderableType:
    """Table, curves and sentence, to be printed on `console`."""
    parts: list[RenderableType] = [_headline(outcome), Text(), _table(learner, outcome), Text()]
    if beside := _beside(learner):
        parts += [*map(Text, beside), Text()]
    if console.encoding.lower().startswith("utf"):
        parts += [_curves(learner, outcome, console), Text()]
    return Group(*parts, _sentence(learner, outcome))


def best_rule(learner: Learner, outcome: Outcome) -> str:
    """The baseline with the least error over the second half."""
    errors = outcome.second_half
    return min(learner.mixture.baselines, key=lambda name: errors[name][outcome.error])


def _headline(outcome: Outcome) -> Text:
    learned, speed = f"{outcome.rows:,} rows", f"{outcome.events_per_second:,.0f} events/s"
    if outcome.error == "bits_per_character":  # a row is as long as it is: its characters are the steps
        steps = outcome.whole["mix"]["count"]
        learned += f" of {steps:,.0f} characters"
        speed = f"{steps / outcome.seconds:,.0f} characters/s"
    text = Text.assemble((learned, "bold"), f" in {outcome.seconds:.1f} s, {speed}")
    if outcome.bad:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in outcome.bad.most_common())
        text.append(f"; {outcome.bad.total():,} bad ones were set aside ({reasons})", style="yellow")
    return text


def _table(learner: Learner, outcome: Outcome) -> Table:
    other = "rmse" if outcome.error == "mae" else "accuracy"
    error, figure = _SHORT[outcome.error], _SHORT[other]
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2))
    table.add_column("")
    columns = [(error, "whole"), (error, "2nd half"), (figure, "2nd half"), ("skill", "2nd half")]
    for above, below in columns if outcome.rules_mixed else columns[:-1]:
        table.add_column(f"{above}\n{below}", justify="right")
    table.add_column("weight\nnow", justify="right")
    weights = learner.mixture.mean_weights()
    for name, figures in outcome.whole.items():
        late = outcome.second_half[name]
        table.add_row(
            Text(name, style=_style(name, learner)),
            f"{figures[outcome.error]:.4g}",
            f"{late[outcome.error]:.4g}",
            f"{late[other]:.1%}" if other == "accuracy" else f"{late[other]:.4g}",
            *([_skill(late["skill"])] if outcome.rules_mixed else []),
            f"{weights[name]:.0%}" if name in weights else "",
        )
    return table


def _skill(skill: float) -> Text:
    style = "green" if skill > _EQUAL else "red" if skill < -_EQUAL else "dim"
    return Text(f"{skill:+.1%}", style=style)


def _beside(learner: Learner) -> list[str]:
    """A line for each thing that the configuration asks for beside the predictions."""
    figures, counts = learner.passes.figures(), learner.counts()
    lines = []
    for field, of in figures.get("intervals", {}).items():
        covers = f"covers {of['coverage']:.1%} of {of['count']:,} labels"
        lines.append(f"interval of {field}: {covers}, mean width {of['width']:.4g}")
    for field, of in figures.get("quantiles", {}).items():
        shares = [f"{of[name]:.1%} below {name[6:]}" for name in of if name.startswith("below_")]
        lines.append(f"quantiles of {field}: {', '.join(shares)}; pinball loss {of['pinball']:.4g}")
    if observed := figures.get("observers"):
        lines.append("observers: " + ", ".join(f"{name} {value:.4g}" for name, value in observed.items()))
    if "events_waiting" in counts:
        labels = [f"{counts[f'labels_{outcome}']:,} {outcome}" for outcome in OUTCOMES]
        events = f"{counts['events_waiting']:,} events wait, {counts['events_given_up']:,} were given up"
        lines.append(f"late labels: {', '.join(labels)}; {events}")
    return lines


def _curves(learner: Learner, outcome: Outcome, console: Console) -> RenderableType:
    rules = [best_rule(learner, outcome)] if outcome.rules_mixed else []
    drawn = [*rules, *_networks(learner), "mix"]
    curves = {name: Curve(_smooth(outcome.curves[name]), _style(name, learner)) for name in drawn}
    width = max(20, min(console.width - 12, 96))
    return plot(curves, width, 10, f"({_SHORT[outcome.error]} over the rows)")


def _smooth(values: Sequence[float]) -> list[float]:
    """The mean of each point and those just before it; missing ones do not count."""
    parts = [np.array(values[max(0, i - _SMOOTH + 1) : i + 1]) for i in range(len(values))]
    return [float(np.nanmean(part)) if np.isfinite(part).any() else np.nan for part in parts]


def _style(name: str, learner: Learner) -> str:
    if name == "mix":
        return _MIX
    networks = _networks(learner)
    return _NETWORKS[networks.index(name) % len(_NETWORKS)] if name in networks else _RULE


def _networks(learner: Learner) -> list[str]:
    return [name for name in learner.mixture.members if name not in learner.mixture.baselines]


def _sentence(learner: Learner, outcome: Outcome) -> Text:
    late = outcome.second_half
    if not late["mix"]["count"]:
        return Text("Nothing was judged: no row had a label for a prediction made before.", style="yellow")
    if not outcome.rules_mixed:
        figure = f"{_NAMES[outcome.error]} {late['mix'][outcome.error]:.4g}"
        return Text(
            f"The networks alone: {figure}, over the second half; no simple rule is mixed in.", style="bold"
        )
    rule = best_rule(learner, outcome)
    ours, theirs, skill = late["mix"][outcome.error], late[rule][outcome.error], late["mix"]["skill"]
    figures = f"{_NAMES[outcome.error]} {ours:.4g} against {theirs:.4g} of the best simple rule, {rule}"
    if skill > _EQUAL:
        return Text(f"Learning helps: {figures}; {skill:.0%} less, over the second half.", style="bold green")
    if skill < -_EQUAL:
        return Text(
            f"Not yet better than a simple rule: {figures}, over the second half.", style="bold yellow"
        )
    return Text(f"As good as a simple rule, no better: {figures}, over the second half.", style="bold yellow")
