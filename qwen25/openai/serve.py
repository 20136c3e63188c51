"""The door on a thread, for a notebook, a test or the command line."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, Iterator, Optional

from ..client.client import Client
from ..errors import InvalidRequestError, QwenError
from .access import is_loopback

if TYPE_CHECKING:
    import uvicorn

#: Seconds for a server to come up or to go.
PATIENCE = 10.0
#: The most bytes of a request's headers.
LARGEST_HEAD = 64 * 1024


class Server:
    """A server that runs."""

    def __init__(self, host: str, port: int, ended: threading.Event) -> None:
        self.host = host
        self.port = port
        self._ended = ended

    def wait(self) -> None:
        """Block until the server ends, or Ctrl-C."""
        # Not a join of the thread: after a Ctrl-C in one, Python before 3.13 takes a thread that
        # runs for one that has ended.
        while not self._ended.wait(1):  # without a limit it cannot be interrupted on Windows
            pass

    @property
    def base_url(self) -> str:
        """What OpenAI's clients want as `base_url`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/v1"


@contextlib.contextmanager
def needing_the_extra() -> Iterator[None]:
    """Say what to install where an import of the extra `api` fails."""
    try:
        yield
    except ImportError as error:
        raise InvalidRequestError(
            "The server needs starlette and uvicorn, and one is missing.",
            hint='Install them: pip install "qwen25[api]"',
        ) from error


@contextlib.contextmanager
def serve(
    client: Optional[Client] = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    key: Optional[str] = None,
    **options: Any,
) -> Iterator[Server]:
    """Serve OpenAI's protocol while the `with` block runs.

        with qwen25.openai.serve() as server:
            openai.OpenAI(base_url=server.base_url, api_key="none")

    Args:
        client: Asks the Space, and stays open; default `Client()`.
        host: The address to listen on. One that others can reach needs a key.
        port: Default any that is free.
        key: What callers have to send as their API key; default `$QWEN25_API_KEY`.
        options: Those of `create_app`.

    Raises:
        InvalidRequestError: An argument is invalid, or the extra `api` is not installed.
        QwenError: The address cannot be listened on.
    """
    with needing_the_extra():
        import uvicorn

        from .app import api_key, create_app
    if not is_loopback(host) and api_key(key) is None:
        raise InvalidRequestError(
            f"Others can reach {host}, so callers need a key.",
            hint="Set QWEN25_API_KEY to a secret, or listen on 127.0.0.1.",
        )
    app = create_app(client, key=key, **options)
    with _listening(host, port) as listener:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            loop="asyncio",
            http="h11",
            ws="none",
            server_header=False,
            h11_max_incomplete_event_size=LARGEST_HEAD,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
        with _running(uvicorn.Server(config), listener) as ended:
            yield Server(host, listener.getsockname()[1], ended)


def _listening(host: str, port: int) -> socket.socket:
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise InvalidRequestError(f"port={port!r} is not a port.")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise QwenError(
            f"The address {host}:{port} cannot be listened on: {error}.",
            hint="Choose another port or host.",
        ) from error
    # Connections inherit it. asyncio leaves it out for sockets that it did not make, and then a
    # piece waits up to 40 ms for the client to acknowledge the one before.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


@contextlib.contextmanager
def _running(server: uvicorn.Server, listener: socket.socket) -> Iterator[threading.Event]:
    """Run a server in a thread; the event is set when it has ended."""
    failures = []
    ended = threading.Event()

    def run() -> None:
        try:
            server.run(sockets=[listener])
        except BaseException as error:  # also SystemExit, which a thread would swallow
            failures.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=run, name="qwen25-openai", daemon=True)
    thread.start()
    try:
        # The listener queues who comes before the server takes them, so nothing waits for it.
        yield ended
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        if failures and not isinstance(failures[0], SystemExit):
            raise failures[0]
