"""Writes the stream of `activity.yaml`: `python examples/activity.py basic_motions.csv.gz activity.jsonl`.

The file has one recording after the other; here all 80 go on together, in an order that differs from frame to
frame, so that the classes of neighbouring rows say nothing about each other.
"""

import csv
import gzip
import json
import random
import sys
from itertools import groupby
from pathlib import Path

CLASSES = ("standing", "running", "walking", "badminton")

if len(sys.argv) != 3:
    sys.exit("usage: python examples/activity.py BASIC_MOTIONS_CSV_GZ FILE")
with gzip.open(sys.argv[1], "rt", encoding="utf-8", newline="") as file:
    rows = sorted(csv.DictReader(file), key=lambda row: int(row["frame"]))
with Path(sys.argv[2]).open("w", encoding="utf-8") as out:
    for frame, group in groupby(rows, key=lambda row: int(row["frame"])):
        together = list(group)
        random.Random(frame).shuffle(together)
        for row in together:
            sensors = {name: float(row[name]) for name in row if name.startswith(("acc", "gyro"))}
            event = {"sequence": row["sequence"], **sensors, "target": CLASSES[int(row["target"])]}
            out.write(json.dumps(event) + "\n")
