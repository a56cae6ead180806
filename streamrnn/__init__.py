"""streamrnn: recurrent networks that learn from a stream, event by event, and survive anything."""

__version__ = "0.1.0"
