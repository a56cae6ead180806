"""Losses by name: one file each, with compiled `value`, `derivative` and `error`."""

LOSSES = {
    "squared": "streamrnn.core.losses.squared",
    "huber": "streamrnn.core.losses.huber",
    "logistic": "streamrnn.core.losses.logistic",
}
