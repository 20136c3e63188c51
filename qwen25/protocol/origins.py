"""Which URLs may be asked: those of the one server that was given, and no other.

What a server says (a prefix in its configuration, the target of a redirect) never leads away.
"""

from __future__ import annotations

import string
from typing import Any, Optional, Tuple
from urllib.parse import urljoin, urlsplit

from ..errors import ProtocolError

#: The server of Hugging Face that is asked how a Space is, and the one path that is asked there.
HUB = "https://huggingface.co"
HUB_API = f"{HUB}/api/spaces/"

_PORTS = {"http": 80, "https": 443}
#: What any server takes as it is in a path, with nothing to decode.
_PLAIN = frozenset(string.ascii_letters + string.digits + "._~-")
#: What makes two parsers of URLs differ in where the host is.
_TRICKS = frozenset(map(chr, range(0x21))) | {"\\", "\x7f"}

Origin = Tuple[str, str, Optional[int]]


def origin(url: str) -> Origin:
    """The scheme, host and port of a URL.

    Raises:
        ValueError: It is not a URL, has a name or a password, or could be read in two ways.
    """
    if not _TRICKS.isdisjoint(url):
        raise ValueError("a character that no URL has")
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("a name or a password")
    port = parts.port
    return parts.scheme, parts.hostname or "", _PORTS.get(parts.scheme) if port is None else port


def host(url: str) -> str:
    """The host and port of a URL, without a name or a password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def check_target(url: str, root: str) -> None:
    """Raise an error unless a URL is of the server of a root, or Hugging Face's API.

    Raises:
        ProtocolError: It is of another server, which includes another port.
    """
    try:
        target = origin(url)
        if _may_lead(origin(root), target) or (
            url.startswith(HUB_API) and target == origin(HUB_API)
        ):
            return
        where = host(url) or "no server"
    except ValueError:
        where = "an address that is none"
    raise ProtocolError(
        f"The Space leads to {where}, which is not the server that was given.",
        hint="Nothing was sent there. If you trust that server, give its address as the Space.",
    )


def check_prefix(prefix: Any) -> str:
    """The path below which an app has its API, as its configuration gives it.

    Raises:
        ProtocolError: It is not a plain path.
    """
    if prefix is None:
        return ""
    if not isinstance(prefix, str) or not _is_plain_path(prefix):
        raise ProtocolError(
            f"The app's configuration has an api_prefix that is not a plain path: {prefix!r:.100}.",
            hint="Nothing was sent there. Do not trust this Space without a look at it.",
        )
    return prefix.rstrip("/")


def _is_plain_path(path: str) -> bool:
    """Whether it is empty, or segments that any server takes as they are; a slash may end it."""
    before, *segments = path[: -1 if path.endswith("/") else None].split("/")
    return not before and all(
        segment not in ("", ".", "..") and _PLAIN.issuperset(segment) for segment in segments
    )


def redirect_target(url: str, location: Optional[str]) -> Optional[str]:
    """Where a redirect leads, if it may be followed; else `None`.

    It may lead to another path of the same server, or to the same host over TLS. Another port is
    another server.
    """
    if not location or not _TRICKS.isdisjoint(location):
        return None
    try:
        target = urljoin(url, location)
        return target if _may_lead(origin(url), origin(target)) else None
    except ValueError:
        return None


def _may_lead(before: Origin, after: Origin) -> bool:
    upgrade = before == ("http", before[1], 80) and after == ("https", before[1], 443)
    return bool(after[1]) and after[0] in _PORTS and (after == before or upgrade)
