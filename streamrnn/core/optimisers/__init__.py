"""Optimisers by name: one file each, with `SETTINGS`, `state(size, dtype)` and a compiled `update`.

`SETTINGS` holds torch's own defaults. `update(parameters, gradient, state, settings, rate, factor)` is one
step down `factor` · `gradient` at the learning rate `rate`; `settings`, float64, stand in the order of
`SETTINGS`. A state is a NamedTuple of arrays with a name of its own: of two that look alike numba would
mistake one for the other, and then take long over every call.
"""

OPTIMISERS = {
    "sgd": "streamrnn.core.optimisers.sgd",
    "rmsprop": "streamrnn.core.optimisers.rmsprop",
    "adam": "streamrnn.core.optimisers.adam",
    "adamw": "streamrnn.core.optimisers.adamw",
}
