"""How good are predictions, out of the box? One pass over real streams, beside the best of river's models.

    python benchmarks/quality.py                 # the learner on every set, beside the peers' figures as kept
    python benchmarks/quality.py --sets bike     # only on sets whose name begins so
    python benchmarks/quality.py --peers         # first measure those peers that changed (hours, one core)
    python benchmarks/quality.py --markdown      # write docs/quality.md and .svg from the figures as kept

Everything is prequential: a label is used only after the prediction that it judges. There is one
configuration for numbers and one for classes (`quality/`), the same for every stream; `quality_sets.py` says
by which rule columns become features. Needs $STREAMRNN_DATA and river.
"""

import argparse
import hashlib
import inspect
import json
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import quality_ours
import quality_peers
from harness import kept_table, machine, markdown_table
from quality_ours import Figures, numbers, place
from quality_sets import SETS, Set
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
PEERS, OURS = RESULTS / "quality-peers.json", RESULTS / "quality.json"
PAGE = Path(__file__).parent.parent / "docs" / "quality.md"


# --- measuring ----------------------------------------------------------------------------------------


def kept(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def keep(path: Path, results: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(kept(path) | _short(results), indent=1, sort_keys=True) + "\n")


def _short(value: Any) -> Any:
    """With six digits of every number."""
    if isinstance(value, dict):
        return {name: _short(item) for name, item in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value


def stamp(of: Set) -> str:
    """Changes with everything that a peer's figures depend on."""
    limits = inspect.getsource(quality_peers.peers)  # says which are run, not how
    source = inspect.getsource(quality_peers).replace(limits, "") + repr(of)
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def measure_peers(sets: Sequence[Set], progress: Progress) -> None:
    """Run the peers that have no figures of today's script; each is written down as it ends."""
    for of in sets:
        length = sum(1 for _ in of.rows())
        for name, make in quality_peers.peers(of, length).items():
            for target in of.targets:
                title = f"{of.name} | {name} | {target}"
                if kept(PEERS).get(title, {}).get("stamp") == stamp(of):
                    continue
                task = progress.add_task(title, total=length)
                started = time.perf_counter()
                passed = _watched(quality_peers.judged(of, target, make), progress, task)
                try:
                    found = figures(of, target, (each for each in passed if each))
                except np.linalg.LinAlgError:  # river's Bayesian regression may become singular as it fades
                    found = {}
                seconds = round(time.perf_counter() - started, 1)
                keep(PEERS, {title: {"stamp": stamp(of), "seconds": seconds, **found}})
                progress.remove_task(task)
                progress.console.print(title, {k: v for k, v in found.items() if "/" not in k})


def _watched(items: Iterable[Any], progress: Progress, task: Any) -> Iterator[Any]:
    for index, item in enumerate(items):
        if index % 200 == 0:
            progress.update(task, completed=index)
        yield item


def figures(of: Set, target: str, judged: Iterable[quality_peers.Judged]) -> Figures:
    """Of one peer's pass; an answer that is no number counts as 0."""
    if of.classes:
        hits = [str(each.prediction) == str(each.label) for each in judged]
        return {"count": len(hits), "accuracy": fmean(hits)}
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0] * 3)
    for each in judged:
        said = each.prediction if isinstance(each.prediction, float | int) else 0.0
        error = abs(float(each.label) - (said if math.isfinite(said) else 0.0))
        entry = sums[place(each.key, target)]
        entry[0] += 1
        entry[1] += error
        entry[2] += error * error
    return numbers(sums)


def measure_ours(sets: Sequence[Set], progress: Progress) -> None:
    for of in sets:
        task = progress.add_task(of.name, total=sum(1 for _ in of.rows()))
        started = time.perf_counter()
        found = quality_ours.measure(of, partial(_completed, progress, task))
        seconds, when = round(time.perf_counter() - started, 1), f"{machine()}, {datetime.now(UTC):%Y-%m-%d}"
        keep(OURS, {of.name: {"seconds": seconds, "when": when, "members": found}})
        progress.remove_task(task)


def _completed(progress: Progress, task: Any, done: int) -> None:
    progress.update(task, completed=done)


# --- comparing ----------------------------------------------------------------------------------------


class Line(NamedTuple):
    """One set: who reached what, in the measure that decides."""

    of: Set
    naive: float
    """Of the better naive rule."""
    peers: dict[str, float]
    ours: dict[str, float]

    @property
    def best_peer(self) -> str:
        return _best(self.of, self.peers)

    @property
    def gain(self) -> float:
        """How much of the best peer's error is gone: 0.1 is a tenth less. Negative: we lose."""
        return 1.0 - _error(self.of, self.ours["mix"]) / _error(self.of, self.peers[self.best_peer])


def _error(of: Set, value: float) -> float:
    return 1.0 - value if of.measure in ("accuracy", "skill") else value


def _best(of: Set, values: dict[str, float]) -> str:
    return min(values, key=lambda name: _error(of, values[name]))


def lines(sets: Sequence[Set]) -> list[Line]:
    ours = kept(OURS)
    return [_line(of, ours[of.name]["members"]) for of in sets if of.name in ours]


def _line(of: Set, members: dict[str, Figures]) -> Line:
    peers = _peers_of(of)
    naive = peers.pop("naive", {})
    in_measure = {n: found for n, found in members.items() if of.measure in found or of.measure == "skill"}
    ours = {name: _value(of, found, naive) for name, found in in_measure.items()}
    rules = {name: ours[name] for name in RULES & ours.keys()} if of.past_labels else {}
    if naive and of.classes:
        rules["naive"] = naive["accuracy"]
    return Line(
        of,
        rules[_best(of, rules)] if rules else math.nan,
        {name: _value(of, found, naive) for name, found in peers.items()},
        {name: value for name, value in ours.items() if of.past_labels or name not in RULES},
    )


def _peers_of(of: Set) -> dict[str, Figures]:
    """The figures of each peer that has run on every target, put together."""
    parts: dict[str, list[Figures]] = defaultdict(list)
    for title, found in kept(PEERS).items():
        name, peer, _ = title.split(" | ")
        if name == of.name and "count" in found:
            parts[peer].append(found)
    whole = {peer: found for peer, found in parts.items() if len(found) == len(of.targets)}
    return {peer: {k: v for part in found for k, v in part.items()} for peer, found in whole.items()}


def _value(of: Set, found: Figures, naive: Figures) -> float:
    """In the measure that decides."""
    if of.measure != "skill":
        return found[of.measure]
    ratios = [found[name] / naive[name] for name in naive if name.startswith("mae/") and naive[name] > 0]
    return 1.0 - fmean(ratios) if ratios else math.nan


# --- showing ------------------------------------------------------------------------------------------

HEAD = """# Quality

Made by `python benchmarks/quality.py --markdown` ({made}); do not edit.

One pass over each stream, prequential: every prediction is made before its label is known, and all of
them count, from the first row on. There is one configuration for numbers and one for classes
([benchmarks/quality](../benchmarks/quality): the networks that `streamrnn init` writes and a few more),
nothing is tuned to a set, and columns become features by one rule
([quality_sets.py](../benchmarks/quality_sets.py)). The peers are river's, with the same features, in the
same script ([quality_peers.py](../benchmarks/quality_peers.py)). The best of them is picked afterwards, set
by set, which no user could do beforehand.

streamrnn is ahead of the best peer on {won} of the {compared} sets. {lost}

*Error less* is 1 − error / error of that peer; accuracy and skill count as 1 − value. *Skill* is 1 − the mean
over keys and fields of mean absolute error / that of the naive rule, which repeats the shortest season, or
the last value.

![Error of streamrnn, of the best of river and of the best naive rule, by set](quality.svg)
"""
MORE = (
    (
        "Intervals",
        "`python benchmarks/intervals.py --keep`: published intervals of level 0.9 beside those of a running "
        "quantile of past errors; *farthest tenth* is the coverage of the worst tenth of the stream.",
        "intervals",
    ),
    (
        "Surprise",
        "`python benchmarks/anomalies.py --keep`: the surprise in prediction records, judged by the labelled "
        "windows of the Numenta Anomaly Benchmark, beside river's HalfSpaceTrees.",
        "anomalies",
    ),
)
RULES = {"last", "mean", "season", "season_corrected", "last_label", "majority"}
"""Members that every mix has: they are no networks."""
COLUMNS = ("set", "measure", "best naive rule", "best of river", "", "streamrnn", "error less")


def _row(line: Line) -> list[str]:
    show = _shown(line.of)
    if not line.peers:
        return [line.of.name, line.of.measure, show(line.naive), "", "", show(line.ours["mix"]), ""]
    best = line.best_peer
    return [
        line.of.name,
        line.of.measure,
        show(line.naive),
        show(line.peers[best]),
        best,
        show(line.ours["mix"]),
        f"{line.gain:+.1%}",
    ]


def _shown(of: Set) -> Any:
    def show(value: float) -> str:
        if not math.isfinite(value):
            return "–"
        return f"{value:.4f}" if of.measure in ("accuracy", "skill") else f"{value:.4g}"

    return show


def page(of_all: Sequence[Line]) -> str:
    """The text of docs/quality.md."""
    of_all = [line for line in of_all if line.peers]
    won = sum(line.gain > 0 for line in of_all)
    made = max(found["when"] for found in kept(OURS).values())
    parts = [
        HEAD.format(made=made, won=won, compared=len(of_all), lost=_losses(of_all)),
        markdown_table(COLUMNS, map(_row, of_all)),
    ]
    for line in of_all:
        parts += ["", f"## {line.of.name}", "", _about(line.of), "", _details(line)]
    for heading, text, kept_as in MORE:
        parts += ["", f"## {heading}", "", text, "", kept_table(kept_as).markdown()]
    return "\n".join(parts) + "\n"


def _losses(of_all: Sequence[Line]) -> str:
    """Where a peer or a naive rule is better, in words."""
    to_peers = [f"{line.of.name} ({line.gain:+.1%})" for line in of_all if line.gain <= 0]
    to_rules = [
        line.of.name
        for line in of_all
        if math.isfinite(line.naive) and _error(line.of, line.ours["mix"]) >= _error(line.of, line.naive)
    ]
    said = [
        f"It loses to {whom} on {', '.join(names)}."
        for whom, names in (("that peer", to_peers), ("the best naive rule", to_rules))
        if names
    ]
    for line in of_all:
        members = kept(OURS)[line.of.name]["members"]
        if line.of.measure == "rmse":
            ours, best = members["mix"]["mae"], min(members[name]["mae"] for name in RULES & members.keys())
            if ours > best:
                said.append(
                    f"In mean absolute error it does so on {line.of.name} too ({ours / best - 1:+.1%})."
                )
    return " ".join(said) or "It loses to no peer and to no naive rule in the measure that decides."


def _about(of: Set) -> str:
    target = ", ".join(f"`{target}`" for target in of.targets)
    ahead = f", {of.horizon} ahead" if of.horizon else ""
    seasons = f"; seasons of {' and '.join(map(str, of.seasons))} rows" if of.seasons else ""
    key = f"; one stream for each `{of.key}`" if of.key else ""
    known = "" if of.past_labels else "; no past labels are known"
    note = f" ({of.note})" if of.note else ""
    return f"{of.kind.capitalize()} of {target}{ahead}{key}{seasons}{known}{note}."


def _details(line: Line) -> str:
    """Everyone, the best first."""
    everyone = [(name, value, "river") for name, value in line.peers.items()]
    for name, value in line.ours.items():
        shown = "**mix**" if name == "mix" else name
        everyone.append((shown, value, "naive rules" if name in RULES else "streamrnn"))
    everyone.sort(key=lambda entry: _error(line.of, entry[1]))
    show = _shown(line.of)
    return markdown_table(
        ("who", "of", line.of.measure), ([name, side, show(value)] for name, value, side in everyone)
    )


def picture(of_all: Sequence[Line], path: Path) -> None:
    """Errors of the best naive rule and of the best peer, in units of ours."""
    mpl.rcParams |= {"svg.hashsalt": "streamrnn", "font.size": 9}
    of_all = [line for line in of_all if line.peers][::-1]
    figure, axis = plt.subplots(figsize=(8, 0.35 * len(of_all) + 1.2), layout="constrained")
    places = range(len(of_all))
    ours = [_error(line.of, line.ours["mix"]) for line in of_all]
    best = [_error(line.of, line.peers[line.best_peer]) for line in of_all]
    naive = [_error(line.of, line.naive) for line in of_all]
    axis.scatter(
        [a / b for a, b in zip(naive, ours, strict=True)], places, marker="x", label="best naive rule"
    )
    axis.scatter([a / b for a, b in zip(best, ours, strict=True)], places, label="best of river")
    axis.axvline(1.0, color="black", label="streamrnn")
    axis.set(xscale="log", xlabel="error, in units of streamrnn's", yticks=places)
    axis.set_yticklabels([line.of.name for line in of_all])
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_xticks([0.9, 1, 1.2, 1.5, 2, 3, 5, 10, 20], minor=False)
    axis.minorticks_off()
    axis.grid(alpha=0.3)
    axis.legend(loc="upper right", fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", default="", metavar="NAME", help="those whose name begins so")
    parser.add_argument("--peers", action="store_true", help="measure peers that changed, before the learner")
    parser.add_argument("--markdown", action="store_true", help="write docs/quality.md and measure nothing")
    options = parser.parse_args()
    sets = [of for of in SETS if of.name.startswith(options.sets)]
    if options.markdown:
        PAGE.write_text(page(lines(SETS)))
        picture(lines(SETS), PAGE.with_suffix(".svg"))
        return
    with Progress(SpinnerColumn(), *Progress.get_default_columns(), TimeElapsedColumn()) as progress:
        if options.peers:
            measure_peers(sets, progress)
        measure_ours(sets, progress)
    table = Table(*COLUMNS, title=machine())
    for line in lines(sets):
        table.add_row(*_row(line))
    Console().print(table)


if __name__ == "__main__":
    main()
