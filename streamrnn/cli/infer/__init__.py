"""A configuration for a file that nobody has described: from a sample of its rows and a wish or two.

Every guess is written down in words, so that people can overrule it.
"""

from streamrnn.cli.infer.guess import infer as infer
from streamrnn.cli.infer.inference import Inference as Inference
from streamrnn.cli.infer.wishes import Wishes as Wishes
