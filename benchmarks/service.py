"""What does the service cost at rest, and how soon does it answer? The real process, `streamrnn run`.

One partition, one GRU of 64 that looks one step back, kernels in the cache, a real broker. Each run has a new
group and new topics:

1. start        from the process's start to its first prediction, as a consumer of committed records sees it;
                2000 events wait
2. rest         resident memory once they are learned
3. kill -9      then the same command at once, and new events: to the first prediction of one of them. In
                between lie the start of a process, the newest snapshot, and the replay of what came after it.

    python benchmarks/service.py                about a minute
    python benchmarks/service.py --keep
"""

import argparse
import subprocess
import time
from pathlib import Path

from harness import Figure, Reader, Site, elec2, show, site, values

from streamrnn.sinks.kafka import produce

HIDDEN = 64
RUNS = 5
WAITING = 2000
"""Events that are there before the service."""
NEW = 10
REST_SECONDS = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--keep", action="store_true", help="keep the figures, for docs")
    options = parser.parse_args()
    file, what = elec2()
    events = values(file)[: WAITING + NEW]
    with site() as place:
        runs = [run(place, f"run-{number}", events) for number in range(options.runs + 1)]
    starts, megabytes, kills = zip(*runs[1:], strict=True)  # the first compiles what is not in the cache
    figures = [
        Figure("start to first prediction", starts, "s", "< 3", ".2f"),
        Figure("kill -9 to first new prediction", kills, "s", "", ".2f"),
        Figure("resident memory at rest", megabytes, "MB", ""),
    ]
    title = f"GRU {HIDDEN}, one step, one partition, {what}, medians of {options.runs} runs"
    show(figures, title, "service" if options.keep else None)


def run(place: Site, name: str, events: list[bytes]) -> tuple[float, float, float]:
    """Seconds to the first prediction, megabytes at rest, seconds from the kill to the first new one."""
    topics = place.topics(name)
    send(place, topics.events, events[:WAITING])
    configuration = place.configuration(name, HIDDEN, topics)
    reader = Reader(place, topics.predictions)
    begin = time.monotonic()
    process = place.service(configuration)
    try:
        started = reader.read(1) - begin
        reader.read(WAITING)
        time.sleep(REST_SECONDS)
        megabytes = resident(process.pid)
        begin = time.monotonic()
        process.kill()
        process.wait()
        process = place.service(configuration)
        send(place, topics.events, events[WAITING:])
        restarted = reader.read(WAITING + 1) - begin
        end(process)
    finally:
        process.kill()
        reader.close()
    return started, megabytes, restarted


def send(place: Site, topic: str, events: list[bytes]) -> None:
    produce(place.options, topic, ((None, value) for value in events))


def resident(pid: int) -> float:
    """Megabytes of memory that the process occupies, shared libraries included."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1000


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    if code := process.wait(30):
        raise RuntimeError(f"the service ended with {code}")


if __name__ == "__main__":
    main()
