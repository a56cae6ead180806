"""The configuration: models, and reading it from a file, the environment and the command line."""

from streamrnn.config.canonical import Change as Change
from streamrnn.config.canonical import canonical as canonical
from streamrnn.config.canonical import learning_changes as learning_changes
from streamrnn.config.load import load as load
from streamrnn.config.load import parse as parse
from streamrnn.config.models import Config as Config
from streamrnn.config.models import delayed_of as delayed_of
from streamrnn.config.models import target_fields as target_fields
