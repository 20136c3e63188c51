"""A local Space that is up: its address, and its end."""

from __future__ import annotations

import asyncio
import atexit
import socket
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any, List, Optional, Union

from .errors import LocalSpaceError, extra_needed
from .gguf import find
from .guard import Guard
from .model import Model

#: Seconds that a closing Space waits for the work that Gradio has in a thread.
LONGEST_WORK = 5.0


class Space:
    """A running local Space; `serve` makes it.

    A context manager: leaving the block closes it.
    """

    #: Its address, for `qwen25.Client` and for a browser.
    url: str
    #: The name of the model that answers.
    model: str
    #: The name, and whether it is a stand-in.
    description: str

    def __init__(self, model: Model, host: str, port: Optional[int]) -> None:
        with extra_needed():  # here rather than in the thread, so that Ctrl-C interrupts it
            import fastapi  # noqa: F401
            import gradio  # noqa: F401
            import uvicorn  # noqa: F401
        self._model = model
        self.model = model.gguf.name
        self.description = model.gguf.description
        listener = _listen(host, port)
        self.url = _url(host, listener.getsockname()[1])
        self._server: Future[Any] = Future()
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._serve, args=(listener, host), name="qwen25-local-space", daemon=True
        )
        self._thread.start()
        # The socket listens already: a request that comes before the server is up waits in it.
        error = self._server.exception()
        if error is not None:
            self._thread.join()  # which closes the socket
            raise error
        # Python must not end while the Space's threads are at work.
        atexit.register(self.close)

    def _serve(self, listener: socket.socket, host: str) -> None:
        workers: List[threading.Thread] = []
        try:
            asyncio.run(self._run(listener, host, workers))
            for worker in workers:
                worker.join(LONGEST_WORK)
        finally:
            self._ended.set()

    async def _run(
        self, listener: socket.socket, host: str, workers: List[threading.Thread]
    ) -> None:
        import uvicorn

        with listener:
            try:
                # Gradio wants a running loop here; without one it makes several and forgets them.
                config = uvicorn.Config(
                    Guard(_web_app(self._model), host),
                    log_config=None,  # logging belongs to the program that calls
                    log_level="warning",
                    access_log=False,
                    timeout_graceful_shutdown=1,
                )
            except BaseException as error:  # whatever it is belongs to the thread that waits
                self._server.set_exception(error)
                return
            server = uvicorn.Server(config)
            self._server.set_result(server)
            await server.serve(sockets=[listener])
            # After each answer Gradio counts in a worker thread, with numpy. When Python ends in
            # the middle of that, the process aborts.
            loop = asyncio.get_running_loop()
            workers += (t for t in threading.enumerate() if getattr(t, "loop", None) is loop)

    def wait(self) -> None:
        """Return when the Space was closed; Ctrl-C interrupts it."""
        # Not Thread.join: before Python 3.13 an interrupted join takes the running thread for a
        # finished one, so that the process would end in the middle of an answer.
        while not self._ended.wait(1):  # without a limit it cannot be interrupted on Windows
            pass

    def close(self) -> None:
        """Stop answering and free the port and the model; a second call does nothing."""
        atexit.unregister(self.close)
        self._model.close()  # first, so that an answer on its way ends with an error, not silently
        self._server.result().should_exit = True
        self.wait()
        self._thread.join()

    def __enter__(self) -> "Space":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url} answered by {self.model}>"


def serve(
    gguf: Union[str, Path, None] = None,
    *,
    model: Optional[str] = None,
    host: str = "127.0.0.1",
    port: Optional[int] = None,
) -> Space:
    """Start a real Gradio Space on this machine, wired like the public one.

    Returns when it can be asked; importing Gradio and loading the model take seconds.

    Args:
        gguf: A GGUF file to answer with.
        model: Instead of a file a size, such as `"0.5B"`, fetched from the Hugging Face hub and
            kept in its cache. With neither, the stand-in SmolLM2-135M-Instruct answers.
        host: The address to listen on. Anyone who reaches it may ask; the default is this machine.
        port: The port; by default any that is free.

    Raises:
        LocalSpaceError: A package, the model or the port is missing; the hint says what helps.
    """
    if sys.version_info < (3, 10):
        raise LocalSpaceError(
            "The local Space needs Python 3.10 or newer, as Gradio 6 does; this is "
            f"{sys.version_info[0]}.{sys.version_info[1]}."
        )
    loaded = Model(find(gguf, model))
    try:
        return Space(loaded, host, port)
    except BaseException:  # Ctrl-C too must not leave the model behind
        loaded.close()
        raise


def _web_app(model: Model) -> Any:
    import fastapi
    import gradio

    from .app import build

    # Gradio's own launch() would ask the app through the environment's proxies, print, and look
    # for a tunnel; mounted, the app is the same and does none of it.
    return gradio.mount_gradio_app(
        fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
        build(model),
        path="/",
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        run_history=False,
    )


def _listen(host: str, port: Optional[int]) -> socket.socket:
    if port is not None and not 0 <= port <= 65535:
        # The system would take what is left of it after a division.
        raise LocalSpaceError(
            f"{port} is no port.", hint="Choose a --port up to 65535, or none for any that is free."
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port or 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=family)
    except OSError as error:
        raise LocalSpaceError(
            f"The local Space cannot listen on {host}, port {port or 'any'}: "
            f"{error.strerror or error}.",
            hint="Choose another --port, or none for any that is free.",
        ) from error
    return listener


def _url(host: str, port: int) -> str:
    """An address that a client on this machine can use, also when every address is listened on."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
