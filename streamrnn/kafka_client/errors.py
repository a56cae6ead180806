"""The client's errors, by what they mean here."""

from kafka import errors
from kafka.errors import KafkaError

FENCED = (
    errors.FencedInstanceIdError,
    errors.ProducerFencedError,
    errors.InvalidProducerEpochError,
)
"""Another process has this worker's name."""
LOG_MOVED = (
    errors.OffsetOutOfRangeError,
    errors.NoOffsetForPartitionError,
    errors.LogTruncationError,
)
"""The log does not hold the position that was asked for."""
HOPELESS = (
    errors.AuthorizationError,
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.UnsupportedVersionError,
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.InvalidRecordError,
    errors.InvalidTimestampError,
    errors.OffsetMetadataTooLargeError,
)
"""Sending the same bytes again cannot help."""


def said(error: KafkaError) -> str:
    return str(error) or type(error).__name__
