"""A model in memory, and the answers that it writes."""

from __future__ import annotations

import queue
import secrets
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, Generator, List

from .errors import LocalSpaceError, extra_needed
from .gguf import Gguf

#: Tokens for the conversation and the answer together.
CONTEXT = 8192
#: Tokens of one answer. A small model may repeat itself without end.
LONGEST_ANSWER = 2048
#: Tokens of the prompt that are read at once; between two batches an answer can be cancelled.
BATCH = 256
#: Seconds between two pieces: each piece has a cost in Gradio, however short it is.
PIECE_EVERY = 0.03
#: Seconds between two empty pieces while a long prompt is read (see `Model.answer`).
SIGN_OF_LIFE_EVERY = 1.0


class Model:
    """A GGUF file loaded by llama.cpp.

    One answer is written at a time, in one thread; the next ones wait. The temperature is 0, so the
    likeliest token is always taken. An answer has at most 2048 tokens.

    Raises:
        LocalSpaceError: llama.cpp cannot load the file.
    """

    def __init__(self, gguf: Gguf) -> None:
        self.gguf = gguf
        self._closing = threading.Event()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="qwen25-local-model")
        # In the thread: here Ctrl-C would interrupt it while the engine is being made.
        loading = self._writer.submit(_load, gguf.path)
        try:
            self._engine = loading.result()
        except BaseException:
            self._writer.shutdown(wait=True)
            raise

    def answer(self, messages: List[Dict[str, str]]) -> Generator[str, None, None]:
        """Write the next turn of a conversation, in pieces.

        The first piece comes at once, the next ones at most every 30 ms. While a long prompt is
        read, an empty piece comes about every second, so that the caller can stop. Closing the
        iterator stops llama.cpp at its next token.

        Args:
            messages: Roles and contents, the system prompt first; the model's own chat template
                lays them out.

        Raises:
            LocalSpaceError: The conversation does not fit into the context of 8192 tokens, or the
                model was closed meanwhile.
        """
        chunks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        left = threading.Event()

        def hand_over(chunk: Dict[str, Any]) -> bool:
            chunks.put(chunk)
            return left.is_set() or self._closing.is_set()  # true makes llama.cpp stop

        try:
            writing = self._writer.submit(self._write, messages, hand_over)
        except RuntimeError as error:  # what an executor says after its shutdown
            raise self._closed() from error
        writing.add_done_callback(chunks.put)  # it marks the end

        text, piece_due, sign_due = "", 0.0, time.monotonic() + SIGN_OF_LIFE_EVERY
        try:
            while True:
                try:
                    wait = max(0.0, piece_due - time.monotonic()) if text else None
                    chunk = chunks.get(timeout=wait)
                except queue.Empty:
                    piece_due = time.monotonic() + PIECE_EVERY
                    yield text
                    text = ""
                    continue
                if chunk is writing:
                    break
                text += _text(chunk)
                if not text and time.monotonic() >= sign_due:
                    sign_due = time.monotonic() + SIGN_OF_LIFE_EVERY
                    yield ""
            if self._closing.is_set():
                raise self._closed()
            writing.result()
            if text:
                yield text
        finally:
            left.set()
            writing.cancel()  # if it has not begun

    def close(self) -> None:
        """Stop writing and free the memory; a second call does nothing."""
        self._closing.set()
        self._writer.shutdown(wait=True)
        self._engine = None

    def _write(
        self, messages: List[Dict[str, str]], hand_over: Callable[[Dict[str, Any]], bool]
    ) -> None:
        request = {
            "messages": messages,
            "stream": True,
            "return_progress": True,
            "temperature": 0,
            # The stand-in would write the same sentence again and again until the limit.
            "dry_multiplier": 0.8 if self.gguf.stand_in else 0.0,
            "max_tokens": LONGEST_ANSWER,
            "reasoning_format": "none",  # what a reasoning model thinks is part of its text
        }
        self._engine.handle_chat_completions(request, hand_over)

    def _closed(self) -> LocalSpaceError:
        return LocalSpaceError(f"{self.gguf.name} no longer answers: the local Space was closed.")


def _load(path: Path) -> Any:
    with extra_needed():
        import xllamacpp  # type: ignore[import-untyped]
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = CONTEXT
    parameters.n_batch = BATCH
    parameters.n_parallel = 1
    parameters.cache_ram_mib = 0  # the default keeps up to 8 GiB of old conversations
    parameters.verbosity = 0
    parameters.ui = False
    # llama.cpp always listens, by default on a TCP port that any page in a browser can reach. Here
    # it is a socket in a private directory, which is removed once the model is loaded. The key
    # protects it until then, and on systems without such sockets.
    parameters.api_keys = [secrets.token_urlsafe(32)]
    with tempfile.TemporaryDirectory(prefix="qwen25-") as directory:
        parameters.hostnames = [str(Path(directory, "shut.sock"))]
        try:
            engine = xllamacpp.Server(parameters)
        except RuntimeError as error:
            raise LocalSpaceError(
                f"llama.cpp could not load {path} ({path.stat().st_size:,} bytes): the file is "
                "truncated or damaged, of a kind that this llama.cpp does not know, or too large "
                "for the memory.",
                hint="Fetch the file again, or give another one: qwen25 serve --gguf FILE",
            ) from error
    # An engine that is deleted before its loop has started waits for it for ever. A first token
    # shows that the loop runs.
    engine.handle_completions({"prompt": "a", "max_tokens": 1})
    return engine


def _text(chunk: Dict[str, Any]) -> str:
    """The text that a chunk of llama.cpp adds to the answer; a report of progress adds none."""
    if "error" in chunk:
        raise LocalSpaceError(
            f"llama.cpp refused: {chunk['error'].get('message', chunk['error'])}.",
            hint="Start a new conversation, or send a shorter prompt.",
        )
    delta = chunk["choices"][0]["delta"] if chunk.get("choices") else {}
    # Bytes that never became a character arrive as U+FFFD: when the answer is cut off inside one,
    # or when a small model writes nonsense. llama.cpp itself waits for the rest of a character.
    return (delta.get("content") or "").replace("\ufffd", "")
