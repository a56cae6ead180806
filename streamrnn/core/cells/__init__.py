"""Cells by name: one file each."""

CELLS = {"gru": "streamrnn.core.cells.gru"}
