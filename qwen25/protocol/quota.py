"""The ZeroGPU quota of a token, as Hugging Face tells it; pure."""

from __future__ import annotations

import json
from typing import NamedTuple, Optional

from ..errors import QwenError
from .responses import Reply, check


class Quota(NamedTuple):
    """The ZeroGPU quota of a token, in seconds of a GPU."""

    left: float
    base: float
    #: When it is whole again, as Hugging Face writes a time; `None` when it does not say.
    resets_at: Optional[str]


def read_quota(reply: Reply) -> Optional[Quota]:
    """The ZeroGPU quota of a token; `None` when Hugging Face does not tell it."""
    try:
        check(reply)
        told = json.loads(reply.body)
        left, base = told["current"], told["base"]
    except (QwenError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(type(each) in (int, float) and 0 <= each < 1e12 for each in (left, base)):
        return None
    resets_at = told.get("resetsAt")
    return Quota(left, base, resets_at if isinstance(resets_at, str) else None)
