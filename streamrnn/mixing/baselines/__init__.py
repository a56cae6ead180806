"""The naive rules that every network has to beat, as members of the mix: one file per kind of label."""

from streamrnn.mixing.baselines.base import Baselines as Baselines
from streamrnn.mixing.baselines.classes import ClassBaselines as ClassBaselines
from streamrnn.mixing.baselines.numbers import NumberBaselines as NumberBaselines
from streamrnn.mixing.baselines.tokens import TokenBaselines as TokenBaselines
