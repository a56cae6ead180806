"""How good are predictions, out of the box? One pass over real streams, beside the best of river's models.

    python benchmarks/quality.py                 # the learner, and the peers' figures as kept
    python benchmarks/quality.py --peers         # measure again those peers that changed (hours)
    python benchmarks/quality.py --markdown      # write docs/quality.md

Everything is prequential: a label is used only after the prediction that it judges. There is one
configuration for each kind of task (`quality/`), the same for every stream; `quality_sets.py` says by which
rule the columns become features. Needs $STREAMRNN_DATA and river.
"""

import argparse
import hashlib
import inspect
import json
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import quality_peers
from quality_sets import SETS, Set
from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn

RESULTS = Path(__file__).parent / "results" / "quality-peers.json"
Figures = dict[str, float]


# --- figures ------------------------------------------------------------------------------------------


def figures(of: Set, judged: Iterable[quality_peers.Judged]) -> Figures:
    """Errors of a pass; numbers by key too, since the scales of keys differ."""
    if of.classes:
        hits = [str(each.prediction) == str(each.label) for each in judged]
        return {"count": len(hits), "accuracy": sum(hits) / len(hits)}
    by_key: dict[str, list[float]] = defaultdict(list)
    for each in judged:
        prediction = each.prediction if isinstance(each.prediction, float | int) else math.nan
        by_key[each.key].append(abs(float(each.label) - float(prediction)))
    errors = [error for key in by_key.values() for error in key]
    return {
        "count": len(errors),
        "mae": sum(errors) / len(errors),
        "rmse": math.sqrt(sum(error * error for error in errors) / len(errors)),
        **{f"mae/{key}": sum(key_errors) / len(key_errors) for key, key_errors in by_key.items()},
    }


# --- peers --------------------------------------------------------------------------------------------


def stamp(of: Set) -> str:
    """Changes with everything that a peer's figures depend on."""
    limits = inspect.getsource(quality_peers.peers)  # says which are run, not how
    source = inspect.getsource(quality_peers).replace(limits, "") + repr(of)
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def kept() -> dict[str, Any]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def measure_peers(sets: Sequence[Set], only: str) -> None:
    """Run the peers that have no figures of today's script; each is written down as it ends."""
    with Progress(SpinnerColumn(), *Progress.get_default_columns(), TimeElapsedColumn()) as progress:
        for of in sets:
            length = sum(1 for _ in of.rows())
            for name, make in quality_peers.peers(of, length).items():
                for target in of.targets:
                    place = f"{of.name} | {name} | {target}"
                    old = kept().get(place, {})
                    if only not in name or old.get("stamp") == stamp(of):
                        continue
                    task = progress.add_task(place, total=length)
                    started = time.perf_counter()
                    passed = progressed(quality_peers.judged(of, target, make), progress, task)
                    found = figures(of, (each for each in passed if each))
                    seconds = time.perf_counter() - started
                    write({place: {"stamp": stamp(of), "seconds": round(seconds, 1), **found}})
                    progress.remove_task(task)
                    progress.console.print(place, {k: v for k, v in found.items() if "/" not in k})


def progressed(items: Iterator[Any], progress: Progress, task: Any) -> Iterator[Any]:
    for index, item in enumerate(items):
        if index % 200 == 0:
            progress.update(task, completed=index)
        yield item


def write(results: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(kept() | results, indent=1, sort_keys=True) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", default="", help="those whose name begins so")
    parser.add_argument("--peers", nargs="?", const="", default=None, metavar="NAME", help="measure them")
    options = parser.parse_args()
    sets = [of for of in SETS if of.name.startswith(options.sets)]
    if options.peers is not None:
        measure_peers(sets, options.peers)


if __name__ == "__main__":
    main()
