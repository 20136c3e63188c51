"""What must not grow with an answer's length, as counts, which do not depend on the machine."""

import itertools
import sys
import tracemalloc
from collections import Counter

import pytest

from qwen25 import Client
from qwen25.testing import FakeSpace

#: Pieces at the end of an answer whose cost is counted.
LAST = 500


@pytest.fixture
def near_the_end():
    """A function that streams an answer of so many pieces up to the last ones."""
    with FakeSpace() as space, Client(space.url) as client:

        def stream(length):
            space.answer = ["12345678"] * length
            pieces = iter(client.stream("Hi"))
            assert len(list(itertools.islice(pieces, length - LAST))) == length - LAST
            return pieces

        yield stream


def calls_for_a_piece(pieces):
    """Calls of functions, of C's too, from one piece to the next.

    How many pieces one read of the socket brings is chance; the usual count is that of a piece
    that was there already.
    """
    counts = Counter()
    calls = 0

    def count_call(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count_call)
    try:
        for _ in pieces:
            counts[calls] += 1
            calls = 0
    finally:
        sys.setprofile(None)
    assert sum(counts.values()) == LAST
    return counts.most_common(1)[0][0]


def memory_for_a_piece(pieces):
    """The most bytes that are allocated from one piece to the next, where nothing else happens."""
    peaks = []
    for _ in range(LAST // 2):
        tracemalloc.start()
        try:
            next(pieces)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    return min(peaks)


def test_a_piece_costs_the_same_calls_however_long_the_answer(near_the_end):
    """From the socket to the user's loop, through everything that is between them."""
    assert calls_for_a_piece(near_the_end(1_000)) == calls_for_a_piece(near_the_end(10_000))


def test_a_piece_copies_nothing_of_the_text_before_it(near_the_end):
    """That text has 8,000 characters in one answer and 80,000 in the other."""
    short = memory_for_a_piece(near_the_end(1_000))
    long = memory_for_a_piece(near_the_end(10_000))
    assert 0 < short < 8_000
    assert long < 2 * short
