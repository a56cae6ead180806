"""Quality as running sums over the whole stream, of the mix and of each member; a file per kind of label."""

from streamrnn.mixing.scores.base import Quality as Quality
from streamrnn.mixing.scores.base import Scores as Scores
from streamrnn.mixing.scores.classes import ClassScores as ClassScores
from streamrnn.mixing.scores.numbers import NumberScores as NumberScores
from streamrnn.mixing.scores.tokens import TokenScores as TokenScores
