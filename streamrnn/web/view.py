"""What the web asks of the service."""

from typing import Any, Protocol

from streamrnn.service.view import Health as Health


class View(Protocol):
    """Answers at once, from any thread, and changes nothing."""

    def live(self) -> Health:
        """Well as long as the loop comes round; an outage of the broker does not make it unwell."""
        ...

    def ready(self) -> Health:
        """Well if partitions are assigned and all of them are live."""
        ...

    def status(self) -> dict[str, Any]:
        """Everything worth a look, as plain values for JSON."""
        ...
