"""Naive rules, the mix that is published, and running quality."""

from streamrnn.mixing.mixture import Mixture as Mixture
from streamrnn.mixing.mixture import Scored as Scored
