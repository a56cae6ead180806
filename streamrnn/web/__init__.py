"""The service over HTTP; sees a view of it and the telemetry, never a learner."""

from streamrnn.web.app import create_app as create_app
from streamrnn.web.server import Server as Server
from streamrnn.web.view import Health as Health
from streamrnn.web.view import View as View
