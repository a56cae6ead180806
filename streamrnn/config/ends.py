"""Where records come from, and where predictions go."""

from typing import Annotated, Literal, Self

from pydantic import SecretStr, Tag, model_validator

from streamrnn.config.duration import Seconds
from streamrnn.config.parts import Name, Part, only_key_of, refuse_one


class KafkaConnection(Part):
    """How to reach a cluster; the names are kafka-python's."""

    bootstrap_servers: str = "127.0.0.1:9092"
    """One or more, `host:port,host:port`."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How the connection is secured."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """How the user is authenticated."""
    sasl_plain_username: str | None = None
    """The user's name, for every SASL mechanism."""
    sasl_plain_password: SecretStr | None = None
    """Only from the environment, or from a file through `sasl_plain_password_file`."""
    sasl_plain_password_file: str | None = None
    """A file that holds the password and nothing else."""
    ssl_cafile: str | None = None
    """Certificates of authorities to trust, PEM."""
    ssl_certfile: str | None = None
    """The client's own certificate, PEM."""
    ssl_keyfile: str | None = None
    """The client's private key, PEM."""
    ssl_password: SecretStr | None = None
    """Only from the environment, or from a file through `ssl_password_file`."""
    ssl_password_file: str | None = None
    """A file that holds the password of the private key and nothing else."""
    ssl_check_hostname: bool = True
    """Refuse a broker whose certificate names another host."""


class KafkaSource(KafkaConnection):
    """A topic of Apache Kafka, and who reads it."""

    topic: str
    """Topic of the events."""
    merge: tuple[str, ...] = ()
    """Topics that `streamrnn merge` copies into `topic`, each partition into the one of its number."""
    group: str
    """Consumer group; also the first part of every snapshot's path."""
    slot: Name | None = None
    """Stable name of this worker (default: the host's name); two live workers must never share one."""
    session_timeout: Seconds = 10.0
    """Silence after which the group gives this worker's partitions to others."""
    max_poll_interval: Seconds = 300.0
    """Longest time between two polls before the group takes the partitions away."""

    @model_validator(mode="after")
    def _merge_ends(self) -> Self:
        """What is copied into a topic that it comes from would go round for ever."""
        if self.topic in self.merge:
            refuse_one("merge", f"{self.topic} is the topic that is copied into; leave it out")
        if len(set(self.merge)) < len(self.merge):
            refuse_one("merge", "a topic stands twice")
        return self


class KafkaSink(Part):
    """Topics of Apache Kafka for what is published."""

    topic: str
    """Topic of the predictions."""
    dead_letters: str
    """Topic of the records that could not be used."""
    bootstrap_servers: str | None = None
    """Not given: the source's. Exactly once needs one cluster."""


class KafkaSourceChoice(Part):
    """Events from Apache Kafka."""

    kafka: KafkaSource
    """A topic of Apache Kafka."""


class FileSourceChoice(Part):
    """Events from a file."""

    file: str
    """A CSV or JSON Lines file, plain or gz."""
    follow: bool = False
    """Wait for more at the end instead of ending."""


class StdinSourceChoice(Part):
    """Events from standard input."""

    stdin: Literal["jsonl", "csv"]
    """The format of what is read from standard input."""


class KafkaSinkChoice(Part):
    """Predictions into Apache Kafka."""

    kafka: KafkaSink
    """Topics of Apache Kafka."""


class FileSinkChoice(Part):
    """Predictions into a file; at least once."""

    file: str
    """Predictions as JSON Lines, appended."""
    dead_letters: str | None = None
    """Bad records as JSON Lines, appended; none: they are only counted."""


class StdoutSinkChoice(Part):
    """Predictions to standard output."""

    stdout: Literal["jsonl"]
    """The format of what is written to standard output."""


Source = Annotated[
    Annotated[KafkaSourceChoice, Tag("kafka")]
    | Annotated[FileSourceChoice, Tag("file")]
    | Annotated[StdinSourceChoice, Tag("stdin")],
    only_key_of("kafka", "file", "stdin"),
]
Sink = Annotated[
    Annotated[KafkaSinkChoice, Tag("kafka")]
    | Annotated[FileSinkChoice, Tag("file")]
    | Annotated[StdoutSinkChoice, Tag("stdout")],
    only_key_of("kafka", "file", "stdout"),
]
