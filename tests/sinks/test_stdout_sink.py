"""Predictions on standard output, dead letters on standard error."""

import io
import json
import os
import subprocess
import sys

import pytest

from streamrnn.errors import TransportError
from streamrnn.sinks.stdout import StdoutSink
from streamrnn.types import Output, Partition

P0 = Partition("in", 0)
OUTPUTS = {
    P0: [
        Output("prediction", b"k", b'{"n":1}', []),
        Output("dead_letter", None, b"\xff", [("reason", b"bad_utf8")]),
        Output("prediction", b"k", b'{"n":2}', []),
    ]
}


def test_the_two_kinds_go_to_their_streams_in_order():
    out, err = io.BytesIO(), io.BytesIO()
    sink = StdoutSink(out, err)
    assert not sink.transactional
    sink.publish(OUTPUTS, {}, None)
    sink.recover()
    sink.close()
    assert out.getvalue() == b'{"n":1}\n{"n":2}\n'
    assert json.loads(err.getvalue()) == {"key": None, "headers": {"reason": "bad_utf8"}, "value": "\\xff"}


def test_by_default_it_writes_to_the_process_and_flushes():
    """The process leaves without the interpreter's own flush at exit."""
    program = (
        "import os\n"
        "from streamrnn.sinks.stdout import StdoutSink\n"
        "from streamrnn.types import Output, Partition\n"
        "output = Output('prediction', None, b'{}', [])\n"
        "StdoutSink().publish({Partition('in', 0): [output]}, {}, None)\n"
        "os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"{}\n"


def test_a_reader_that_went_away_is_a_transport_error():
    out, end = os.pipe()
    os.close(out)
    with os.fdopen(end, "wb", buffering=0) as stream, pytest.raises(TransportError, match="standard output"):
        StdoutSink(stream).publish(OUTPUTS, {}, None)
