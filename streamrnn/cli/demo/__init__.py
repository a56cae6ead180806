"""`streamrnn demo`: the main job watched live: stream, broker, worker, board, and proof by a twin."""

from streamrnn.cli.demo.command import demo as demo
