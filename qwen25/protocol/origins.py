"""Which URLs may be asked: those of the one server that was given, and no other."""

from __future__ import annotations

from typing import Optional, Tuple
from urllib.parse import SplitResult, urljoin, urlsplit

#: The server of Hugging Face that is asked how a Space is.
HUB = "https://huggingface.co"

_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> Tuple[str, str, Optional[int]]:
    """The scheme, host and port of a URL.

    Raises:
        ValueError: It is not a URL, or its port is not a number of one.
    """
    return _origin(urlsplit(url))


def _origin(parts: SplitResult) -> Tuple[str, str, Optional[int]]:
    port = parts.port
    return parts.scheme, parts.hostname or "", _PORTS.get(parts.scheme) if port is None else port


def host(url: str) -> str:
    """The host and port of a URL, without a name or a password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def redirect_target(url: str, location: Optional[str]) -> Optional[str]:
    """Where a redirect leads, if it may be followed; else `None`.

    It may lead to another path of the same server, or to the same host over TLS. Another port is
    another server.
    """
    if not location:
        return None
    try:
        target = urljoin(url, location)
        before, after = origin(url), origin(target)
    except ValueError:
        return None
    upgrade = ("https", before[1], 443)
    return target if after == before or (before[0] == "http" and after == upgrade) else None
