"""How the stream of a queue is to be read: by the standard, at every cut, in linear time."""

import json

from hostile import hostile_stream

from qwen25 import ProtocolError
from qwen25.protocol.sse import read_messages


def check_stream(source):
    """Read a hostile stream in pieces; the messages are those of `reference`."""
    stream, pieces = hostile_stream(source)
    expected, readable = [], True
    try:
        for data in reference(stream):
            message = json.loads(data)
            if not isinstance(message, dict):
                raise ValueError("no object")
            expected.append(message)
    except (ValueError, RecursionError):
        readable = False
    found = []
    work = 0

    def check_time():
        nonlocal work
        work += 1

    try:
        for message in read_messages(pieces, check_time):
            found.append(message)
        assert readable, "an unreadable event was passed over"
    except ProtocolError as error:
        assert not readable, error
        str(error).encode()
    assert found == expected
    assert work <= len(pieces) + len(stream) // 256


def reference(stream):
    """The data of each event, as the standard says, in the simplest way."""
    stream = stream[3:] if stream.startswith(b"\xef\xbb\xbf") else stream
    data = []
    for line in stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:-1]:
        field, _, value = line.partition(b":")
        if line == b"" and data:
            yield b"\n".join(data).decode()
            data = []
        elif field == b"data":
            data.append(value[1:] if value.startswith(b" ") else value)
