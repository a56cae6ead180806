"""One partition's learner: a deterministic state machine fed with records."""

from streamrnn.learner.faults import faults as faults
from streamrnn.learner.learner import Learner as Learner
from streamrnn.learner.waiting import OUTCOMES as OUTCOMES
