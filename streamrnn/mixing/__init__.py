"""Naive rules, the mix that is published, and running quality."""

from streamrnn.mixing.intervals import Intervals as Intervals
from streamrnn.mixing.mixture import Mixture as Mixture
from streamrnn.mixing.mixture import Scored as Scored
from streamrnn.mixing.quantiles import Quantiles as Quantiles
from streamrnn.mixing.surprise import Surprise as Surprise
