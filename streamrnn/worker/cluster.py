"""How a worker reaches its cluster, and what it is called there."""

import socket

from streamrnn.config.models import KafkaConnection, KafkaSource
from streamrnn.kafka_client import Options


def slot_of(source: KafkaSource) -> str:
    """The worker's name, which has to survive a restart; the host's name where none is given."""
    return source.slot or socket.gethostname()


def kafka_options(connection: KafkaConnection) -> Options:
    """By kafka-python's names; only what is given."""
    given = connection.model_dump(include=set(KafkaConnection.model_fields), exclude_none=True)
    secrets = {
        name: value.get_secret_value() for name, value in given.items() if hasattr(value, "get_secret_value")
    }
    return {name: value for name, value in {**given, **secrets}.items() if not name.endswith("_file")}
