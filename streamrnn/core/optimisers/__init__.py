"""Optimisers by name: one file each, with a `State`, `state(size, dtype)` and a compiled `update`."""

OPTIMISERS = {"adam": "streamrnn.core.optimisers.adam"}
