"""Writes the streams of `late_labels.yaml`: `python examples/late_labels.py orders.jsonl deliveries.jsonl`.

4,000 orders of four shops, one a minute. How long a delivery takes depends on the distance, on the hour, and
on how busy its shop is, which nobody says and which drifts. A delivery names its order once it is over.
"""

import json
import math
import random
import sys
from pathlib import Path

ORDERS = 4000
START = 1_767_225_600  # 2026-01-01T00:00:00Z

if len(sys.argv) != 3:
    sys.exit("usage: python examples/late_labels.py ORDERS DELIVERIES")
chance = random.Random(20260101)
busy = dict.fromkeys(("north", "east", "south", "west"), 20.0)
orders, deliveries = [], []
for number in range(ORDERS):
    shop, time, km = chance.choice(sorted(busy)), START + 60 * number, chance.uniform(0.5, 8.0)
    busy[shop] += 0.05 * (20.0 - busy[shop]) + chance.gauss(0.0, 1.5)
    evening = 8.0 * max(0.0, math.sin((time / 3600 - 12) / 12 * math.pi))
    minutes = max(5.0, busy[shop] + 3.0 * km + evening + chance.gauss(0.0, 2.0))
    orders.append({"shop": shop, "time": time, "order": f"o{number}", "km": round(km, 2)})
    delivered = round(time + 60 * minutes)
    deliveries.append(
        {"shop": shop, "time": delivered, "delivered": f"o{number}", "minutes": round(minutes, 1)}
    )
deliveries.sort(key=lambda delivery: delivery["time"])
for path, records in zip(sys.argv[1:], (orders, deliveries), strict=True):
    Path(path).write_text("".join(json.dumps(record) + "\n" for record in records))
