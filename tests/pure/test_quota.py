"""The ZeroGPU quota of a token."""

import json

import pytest

from qwen25.protocol.quota import read_quota
from qwen25.protocol.responses import Reply


@pytest.mark.parametrize(
    ("told", "quota"),
    [
        ({"current": 1810, "base": 2400}, (1810, 2400, None)),
        ({"current": 0, "base": 2400, "resetsAt": "soon"}, (0, 2400, "soon")),
        ({"current": 1.5, "base": 2400, "resetsAt": 7}, (1.5, 2400, None)),
        ({"current": -1, "base": 2400}, None),
        ({"current": True, "base": 2400}, None),
        ({"current": 1, "base": 1e12}, None),
        ({"current": 1}, None),
        ([], None),
    ],
)
def test_a_quota_is_told_down_to_its_last_second(told, quota):
    body = json.dumps(told).encode()
    assert read_quota(Reply(200, {}, body)) == quota
    assert read_quota(Reply(500, {}, body)) is None
