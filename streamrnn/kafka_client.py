"""Everything that has to know how kafka-python behaves on the inside."""

import logging
from collections.abc import Mapping
from typing import Any

from kafka.errors import KafkaError
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

Options = Mapping[str, Any]
"""How to reach a cluster, by kafka-python's names: `bootstrap_servers`, `security_protocol`, …"""

# An outage logs an error per attempt and per request; the callers report it once, in their own words.
logging.getLogger("kafka").setLevel(logging.CRITICAL)


def probe(options: Options, seconds: float) -> bool:
    """True if a broker that can serve clients answers within `seconds`. Leaves no thread and no socket."""
    milliseconds = seconds * 1000
    waits = {
        "request_timeout_ms": milliseconds,
        "socket_connection_setup_timeout_ms": milliseconds,
        "reconnect_backoff_ms": 50,
        "reconnect_backoff_max_ms": 200,
    }
    network = NetworkSelector()
    manager = KafkaConnectionManager(network, **options, **waits)
    try:
        manager.bootstrap(milliseconds)
    except KafkaError:
        return False
    finally:
        manager.close()
        network.close()
    return True
