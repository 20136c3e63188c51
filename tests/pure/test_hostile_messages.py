"""Whatever a Space sends, only errors of this library leave the decoder, and all can be shown."""

import random

from decoding_rules import check_answer


def test_only_our_errors_leave_the_decoder_and_each_event_can_be_shown():
    """`python tests/fuzz/decoder.py` goes on from here for as long as is wanted."""
    for seed in range(4_000):
        try:
            check_answer(random.Random(seed))
        except BaseException as error:
            raise AssertionError(f"seed {seed}") from error
