"""Where a Space is: an id or a URL in, an address out."""

# Without `from __future__ import annotations`, whose types are texts: NamedTuple would compile each
# of them at every start.
import os
from typing import TYPE_CHECKING, List, NamedTuple, Optional

from ..errors import InvalidRequestError, describe

if TYPE_CHECKING:
    from urllib.parse import SplitResult

#: The Space that is asked when none is named.
PUBLIC_SPACE = "Qwen/Qwen2.5"

_HUBS = ("huggingface.co", "www.huggingface.co")
_HINT = (
    'Give an id such as "Qwen/Qwen2.5", or the whole URL of a Gradio app, with http:// or https://.'
)


class Address(NamedTuple):
    """A Space's address on the web."""

    #: The root of the app, without a slash at the end.
    url: str
    #: The id on Hugging Face; `None` when a URL was given.
    id: Optional[str]

    @classmethod
    def of(cls, space: str) -> "Address":
        """Read an id, the URL of a Space's page on Hugging Face, or the URL of any app.

        An id's host is its owner and name in lower case, each run of other characters one hyphen.

        Raises:
            InvalidRequestError: It is neither.
        """
        if not isinstance(space, str):
            raise InvalidRequestError(f"space={describe(space)} is not a string.", hint=_HINT)
        space = space.strip()
        name = _id_of_page(space) or space
        if not _is_id(name):
            return cls(_root(space), None)
        words = "".join(
            char if char.isascii() and char.isalnum() else " " for char in name.lower()
        ).split()
        return cls(f"https://{'-'.join(words)}.hf.space", name)


def default_spaces() -> List[str]:
    """The Spaces in `$QWEN25_SPACE`, with commas between several; else the public one."""
    named = os.environ.get("QWEN25_SPACE", "").split(",")
    return [space.strip() for space in named if space.strip()] or [PUBLIC_SPACE]


def split_url(url: str) -> "SplitResult":
    """The parts of a URL.

    Raises:
        ValueError: It has none, or a port that cannot be.
    """
    # Imported at the first use: it would be a fifth of this library's own import.
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    parts.port  # reading it checks it
    return parts


_PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


def is_proxy(url: str) -> bool:
    """Whether a proxy can have this URL."""
    try:
        parts = split_url(url)
    except ValueError:
        return False
    return parts.scheme in _PROXY_SCHEMES and bool(parts.hostname)


def _is_id(name: str) -> bool:
    parts = name.split("/")
    return len(parts) == 2 and all(
        part and all(char.isalnum() or char in "._-" for char in part) for part in parts
    )


def _id_of_page(url: str) -> Optional[str]:
    """The id of a Space whose page on Hugging Face has this URL; `None` for another URL."""
    if "://" not in url:
        return None
    try:
        parts = split_url(url)
    except ValueError:
        return None
    hub = parts.scheme in ("http", "https") and parts.netloc.lower() in _HUBS
    if not hub or not parts.path.lower().startswith("/spaces/"):
        return None
    return "/".join(parts.path.split("/")[2:4])


def _root(url: str) -> str:
    if "@" in url:
        # Not shown: what stands before the @ is a secret.
        raise InvalidRequestError(
            "The address of the Space holds a name or a password.",
            hint="Give it without, and auth=(username, password) for Gradio's login.",
        )
    try:
        parts = split_url(url)
    except ValueError as error:
        raise InvalidRequestError(f"The address of the Space is not a URL: {error}.", hint=_HINT)
    is_url = parts.scheme.lower() in ("http", "https") and parts.hostname
    if not is_url or not url.isprintable() or " " in url:
        raise InvalidRequestError(f"{describe(url)} is not the address of a Space.", hint=_HINT)
    return f"{parts.scheme.lower()}://{parts.netloc}{parts.path.rstrip('/')}"
