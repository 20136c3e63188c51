"""The requests that a Space knows, over one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional, Tuple

from ..errors import ProtocolError
from ..imports import late_imports
from ..protocol import responses
from ..protocol.origins import HUB_API, redirect_target
from ..protocol.sse import read_messages
from ..timeouts import Deadline
from ..transport.connection import Connection, SessionPool

if TYPE_CHECKING:
    from ..protocol.quota import Quota

#: Redirects of `/config` that are followed.
_REDIRECTS = 3


class SpaceApi:
    """A Space as one answer asks it: one request after the other.

    Every method raises a `QwenError` when its request fails.
    """

    def __init__(self, pool: SessionPool) -> None:
        self._pool = pool
        self._connection: Connection = pool.acquire()

    def log_in(self, auth: Tuple[str, str], deadline: Deadline) -> None:
        """Open an app that is behind Gradio's login; the cookies stay in the pool."""
        form = {"username": auth[0], "password": auth[1]}
        responses.check_login(self._connection.fetch("POST", "/login", deadline, data=form))

    def config(self, deadline: Deadline) -> Any:
        """Read the app's `/config`."""
        url = f"{self._pool.address.url}/config"
        for _ in range(1 + _REDIRECTS):
            reply = self._connection.fetch("GET", url, deadline)
            target = None
            if 300 <= reply.status < 400:
                target = redirect_target(url, reply.headers.get("Location"))
            if target is None:
                config = responses.read_config(reply)
                # The app may answer at another address than the one given: as https, mostly.
                root, path, rest = reply.url.rpartition("/config")
                if path and not rest and "?" not in root and root != self._pool.address.url:
                    self._pool.address = self._pool.address._replace(url=root)
                return config
            url = target
        raise ProtocolError(
            "The address redirects in a circle.", hint="Open it in a browser and see."
        )

    def stage(self, deadline: Deadline) -> Optional[str]:
        """Ask Hugging Face how the Space is; `None` when it does not say."""
        url = f"{HUB_API}{self._pool.address.id}"
        return responses.read_stage(self._connection.fetch("GET", url, deadline))

    def quota(self, deadline: Deadline) -> Optional[Quota]:
        """Ask Hugging Face for the ZeroGPU quota of `$HF_TOKEN`; `None` when it does not tell."""
        url = f"{HUB_API}zero-gpu/quota"
        with late_imports():
            from ..protocol.quota import read_quota  # `qwen25 status` alone asks for it

        return read_quota(self._connection.fetch("GET", url, deadline))

    def queue_size(self, prefix: str, deadline: Deadline) -> Optional[int]:
        """How many requests wait in the queue; `None` when the app does not tell."""
        reply = self._connection.fetch("GET", f"{prefix}/queue/status", deadline)
        return responses.read_queue_size(reply)

    def join(self, prefix: str, body: Dict[str, Any], deadline: Deadline) -> str:
        """Put a request into the queue; returns its event id."""
        reply = self._connection.fetch("POST", f"{prefix}/queue/join", deadline, json=body)
        return responses.read_event_id(reply)

    def listen(
        self, prefix: str, session_hash: str, deadline: Deadline
    ) -> Iterator[Dict[str, Any]]:
        """Open the stream of a request's messages."""
        parameters = {"session_hash": session_hash}
        reply = self._connection.open(f"{prefix}/queue/data", deadline, params=parameters)
        try:
            responses.check_stream(reply)
        except BaseException:
            self.close_stream()
            raise
        return read_messages(self._connection.chunks(deadline), deadline.check)

    def finish(self, deadline: Deadline) -> None:
        """Read a finished stream to its end, so that its connection can be used again."""
        self._connection.finish(deadline)

    def close_stream(self) -> None:
        """Close the stream, if one is open; the Space then stops writing."""
        self._connection.close()

    def interrupt(self) -> None:
        """From another thread: end a read of the open stream."""
        self._connection.interrupt()

    def cancel(self) -> None:
        """From another thread: end whatever is waited for, for good."""
        self._connection.cancel()

    def release(self) -> None:
        """Give the connection back; nothing may be asked here afterwards."""
        self._pool.release(self._connection)
