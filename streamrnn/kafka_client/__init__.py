"""Everything that has to know how kafka-python 3.0 behaves on the inside; nothing else may.

In the order of reading: `cures` (what has to be worked around), `types` and `calls` (what all of it shares),
`errors` (which mean what), `cluster` (reaching one), `member` and `assignor` (reading as one of a group),
`reader` (reading outside any), `producer`. Calls that may block are cut into slices, and `tick` is called in
between, at least once a second.
"""

import logging

from streamrnn.kafka_client.calls import ticking as ticking
from streamrnn.kafka_client.cluster import START_SECONDS as START_SECONDS
from streamrnn.kafka_client.cluster import partition_counts as partition_counts
from streamrnn.kafka_client.cluster import probe as probe
from streamrnn.kafka_client.cluster import require_topics as require_topics
from streamrnn.kafka_client.member import Member as Member
from streamrnn.kafka_client.producer import LARGEST as LARGEST
from streamrnn.kafka_client.producer import Producer as Producer
from streamrnn.kafka_client.reader import newest_headers as newest_headers
from streamrnn.kafka_client.types import Options as Options
from streamrnn.kafka_client.types import Tick as Tick
from streamrnn.kafka_client.types import native as native
from streamrnn.kafka_client.types import native_offsets as native_offsets

# An outage logs an error per attempt and per request; the callers report it once, in their own words.
logging.getLogger("kafka").setLevel(logging.CRITICAL)
