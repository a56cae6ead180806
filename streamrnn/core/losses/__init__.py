"""Losses by name: one file each, with `outputs` and compiled `derivative` and `error`.

Letters: w targets (fields), o outputs, C classes, q levels, k steps of a window.

- `outputs(targets, classes, levels)`: how many outputs o the loss is of.
- `derivative(outputs, t, target, levels, share, dys)` sets row t of `dys` (k, o) to share · ∂L/∂ŷ for row t
  of `outputs` (k, o) and `target` (w,). L is the mean over the fields; one whose target is NaN adds nothing.
  A NaN output stays one, so that its gradient can be refused.
- `error(outputs, target, unit, levels)` is what quality is judged by, for one event: `outputs` (o,), `target`
  (w,), and `unit` (w,), which turns an error into the user's. NaN if no target is known.
"""

LOSSES = {
    "squared": "streamrnn.core.losses.squared",
    "absolute": "streamrnn.core.losses.absolute",
    "huber": "streamrnn.core.losses.huber",
    "quantile": "streamrnn.core.losses.quantile",
    "logistic": "streamrnn.core.losses.logistic",
    "softmax": "streamrnn.core.losses.softmax",
    "poisson": "streamrnn.core.losses.poisson",
}
