"""The long-running service: exactly once, bit for bit, whatever is killed."""

from streamrnn.service.view import Health as Health
from streamrnn.service.view import View as View
from streamrnn.service.wiring import run as run
