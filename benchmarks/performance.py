"""Makes docs/performance.md and its picture from what the benchmarks kept.

    python benchmarks/performance.py

Each section names the command that measures it; run that with --keep first. Needs matplotlib.
"""

from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
from harness import kept_table

DOCS = Path(__file__).parent.parent / "docs"


class Section(NamedTuple):
    heading: str
    command: str
    before: str
    kept: str
    after: str


SECTIONS = (
    Section(
        "Against C",
        "python benchmarks/limit/limit.py --keep",
        """How far is the compiled kernel from the machine's limit? The opponent is a C program with the same
arithmetic, written for speed: `-O3 -march=native -fno-math-errno -mprefer-vector-width=512`, an
exponential of its own that vectorises, no gradient stored where one step is learned, the window run
again where 16 are. Both learn the same 300 events first, and must agree. Then they take turns in 300
short rounds; *kernel / C* is the median of the rounds' ratios, and *C / C* says what a ratio is
worth here.""",
        "limit",
        """Nowhere does the kernel take more than a quarter longer. At 32 hidden values most of that is a
fixed cost of a sixth to half a microsecond an event: the kernel serves many keys, late labels and
windows of any length, and C does not.""",
    ),
    Section(
        "Against PyTorch",
        "python benchmarks/step.py --keep",
        """The kernel alone (`Network.advance` on arrays) and the whole learner (from a record's bytes to a
prediction's bytes: decoding, scaling, network, mix, scores, surprise, encoding, digest). The
opponent is a good eager PyTorch loop: the same network and arithmetic, fused Adam, one thread,
tensors made beforehand.""",
        "step",
        """What the learner costs beside its kernel is a price per event in blocks of 500, and a price per
call where an event comes alone. At hidden 256 kernel and PyTorch are bound by the same multiplications
and by the memory of 0.2 million parameters and their moments.""",
    ),
    Section(
        "Beside transport",
        "python benchmarks/pipeline.py --keep",
        """The whole service, `streamrnn run`, through a real broker into a predictions topic, exactly once.
The opponent has the same source, the same sink and the same transactions, and publishes each input
as it came. `replay` learns the same events from their file, without a broker.""",
        "pipeline",
        "",
    ),
    Section(
        "Start and rest",
        "python benchmarks/service.py --keep",
        """The real process with its kernels in the cache. After `kill -9` the same command starts at once;
until the first new prediction lie the start of a process, the newest snapshot and the replay of
what came after it.""",
        "service",
        "Half of a start is importing, a fifth is loading kernels from the cache, a quarter is connecting.",
    ),
    Section(
        "Many keys",
        "python benchmarks/many_keys.py --keep",
        "A forecast of one number with two features.",
        "many_keys",
        """A key costs what `streamrnn run` prints at start: hidden state and ring, `(k + 1) · n + k · d`
floats of the network's type for a window of k steps, n hidden values and d inputs, and 24 bytes;
the features' histories and statistics; the mix's weights; and about 250 bytes for its name. A
million keys do not fit into the processor's caches: that is what the rate falls by.""",
    ),
    Section(
        "Ten million events",
        "python benchmarks/long_run.py --keep",
        """A dozen keys whose levels drift and jump, missing values, outliers up to 1e200. One process learns
the stream in blocks of 500. Another learns it in blocks of random lengths and, at random places,
writes a snapshot, reads it into a fresh learner and goes on with that one. After each tenth both
must be the same, bit for bit, with no number in their state that is not finite.""",
        "long_run",
        "",
    ),
    Section(
        "Two services",
        "python benchmarks/two_services.py --keep",
        """Consumer groups are the distributed engine: two services on two cores against one, on a topic of
two partitions. The broker takes its share of the same two cores.""",
        "two_services",
        "`replay`, without a broker, shows what the two cores give; the rest is Kafka's part of the machine.",
    ),
)

HEAD = """# Performance

Made by `python benchmarks/performance.py` from what the commands below kept; do not edit.

What an event costs, against opponents worth beating. The machine is a virtual one of a shared host: trust the
ratios, which come from alternating rounds of one run, more than the times.

![Kernel over C, PyTorch over the learner, events per second by keys, and a long run](performance.svg)
"""


def page() -> str:
    parts = [HEAD]
    for section in SECTIONS:
        parts.append(f"## {section.heading}\n\n`{section.command}`\n\n{section.before}\n")
        parts.append(kept_table(section.kept).markdown() + "\n")
        parts += [f"{section.after}\n"] if section.after else []
    return "\n".join(parts)


# --- the picture --------------------------------------------------------------------------------------


def picture(path: Path) -> None:
    mpl.rcParams |= {"svg.hashsalt": "streamrnn", "font.size": 9, "axes.spines.top": False}
    mpl.rcParams["axes.spines.right"] = False
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.5), layout="constrained")
    for draw, axis in zip((_against_c, _against_torch, _by_keys, _by_events), axes.flat, strict=True):
        draw(axis)
    figure.savefig(path, metadata={"Date": None})


def _against_c(axis: Any) -> None:
    kept = kept_table("limit")
    rows = [dict(zip(kept.columns, row, strict=True)) for row in kept.rows]
    sizes = sorted({int(row["hidden"]) for row in rows})
    lines = sorted({(row["cell"], int(row["k"])) for row in rows})
    for place, (cell, k) in enumerate(lines):
        mine = [row for row in rows if (row["cell"], int(row["k"])) == (cell, k)]
        where = [sizes.index(int(row["hidden"])) + (place - (len(lines) - 1) / 2) * 0.13 for row in mine]
        axis.bar(where, [float(row["kernel / C"]) for row in mine], 0.12, label=f"{cell}, k = {k}")
    axis.axhline(1.0, color="black", linewidth=0.8)
    axis.set(title="kernel / C", xlabel="hidden values", xticks=range(len(sizes)), xticklabels=sizes)
    axis.set_ylim(0.0, 2.0)
    axis.legend(fontsize=7, ncols=2, frameon=False)


def _against_torch(axis: Any) -> None:
    kept = kept_table("step")
    rows = [dict(zip(kept.columns, row, strict=True)) for row in kept.rows]
    for k in sorted({int(row["k"]) for row in rows}):
        mine = [row for row in rows if int(row["k"]) == k and row["block"] == "500"]
        sizes = [row["hidden"] for row in mine]
        axis.plot(sizes, [float(row["torch / learner"]) for row in mine], "o-", label=f"k = {k}")
    axis.set(title="eager PyTorch / whole learner", xlabel="hidden values", yscale="log")
    axis.axhline(1.0, color="black", linewidth=0.8)
    axis.legend(fontsize=7, frameon=False)


def _by_keys(axis: Any) -> None:
    kept = kept_table("many_keys")
    keys = [int(text.replace(",", "")) for text in kept.column("keys")]
    rates = [float(text.replace(",", "")) for text in kept.column("events/s")]
    axis.plot(keys, rates, "o-")
    axis.set(title="events per second by keys", xlabel="keys", xscale="log")
    axis.set_ylim(0.0, 1.1 * max(rates))


def _by_events(axis: Any) -> None:
    kept = kept_table("long_run")
    events = [int(text.replace(",", "")) / 1e6 for text in kept.column("events")]
    axis.plot(events, [float(text) for text in kept.column("µs CPU")], "o-", label="µs an event")
    axis.set(title="ten million events", xlabel="million events")
    axis.set_ylim(0.0, 1.25 * max(float(text) for text in kept.column("µs CPU")))
    memory = axis.twinx()
    memory.plot(events, [float(text) for text in kept.column("MB")], "s--", color="tab:orange", label="MB")
    memory.set_ylim(0.0, 1.25 * max(float(text) for text in kept.column("MB")))
    memory.spines["right"].set_visible(True)
    axis.legend(loc="lower left", fontsize=7, frameon=False)
    memory.legend(loc="lower right", fontsize=7, frameon=False)


def main() -> None:
    picture(DOCS / "performance.svg")
    (DOCS / "performance.md").write_text(page())


if __name__ == "__main__":
    main()
