"""The long-running service: exactly once, bit for bit, whatever is killed."""

from streamrnn.service.merging import merge as merge
from streamrnn.service.signals import Stopping as Stopping
from streamrnn.service.view import Health as Health
from streamrnn.service.view import View as View
from streamrnn.service.wiring import kafka_options as kafka_options
from streamrnn.service.wiring import run as run
