"""Cells by name: one file each."""

CELLS = {
    "gru": "streamrnn.core.cells.gru",
    "elman": "streamrnn.core.cells.elman",
    "lstm": "streamrnn.core.cells.lstm",
}
