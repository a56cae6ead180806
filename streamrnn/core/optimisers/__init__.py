"""Optimisers by name: one file each, with `SETTINGS`, `state(size, dtype)` and compiled `begin` and `update`.

`SETTINGS` holds torch's own defaults. One step down `factor` · gradient at the learning rate `rate` is
`paced = begin(parameters, state, settings, rate, factor)` on all parameters, then `update(parameters, source,
inputs, t, state, paced)` on each matrix: its gradient is inputs[t] source[t]ᵀ, with 1 for a bias row, or
`source` itself if t is `STORED`. `settings`, float64, stand in the order of `SETTINGS`. A state is a
NamedTuple of arrays with a name of its own: of two that look alike numba would mistake one for the other, and
then take long over every call.
"""

OPTIMISERS = {
    "sgd": "streamrnn.core.optimisers.sgd",
    "rmsprop": "streamrnn.core.optimisers.rmsprop",
    "adam": "streamrnn.core.optimisers.adam",
    "adamw": "streamrnn.core.optimisers.adamw",
}
