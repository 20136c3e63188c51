"""The class of an asynchronous provider, for code that was written against one of that shape."""

from __future__ import annotations

import logging
from typing import Any, Dict, Generator, List, Optional, Sequence, Union

from .aio.bridge import Bridge, Put
from .aio.client import AsyncStream, hand_over
from .client.client import Client
from .errors import ProtocolError
from .protocol.prompt import Message
from .timeouts import Timeout
from .transport.address import PUBLIC_SPACE

__all__ = ["Qwen_Qwen_2_5"]

_log = logging.getLogger("qwen25")


class Qwen_Qwen_2_5:
    """Asynchronous text generation over the Space; nothing of it is an instance.

    A subclass with another `url` asks that Space.
    """

    label = "Qwen Qwen-2.5"
    url = "https://qwen-qwen2-5.hf.space"
    api_endpoint = f"{url}/queue/join"
    working = True
    supports_stream = True
    supports_system_message = True
    #: The earlier turns are sent as history, not as part of the prompt.
    supports_message_history = True
    default_model = "qwen-qwen2-5"
    model_aliases: Dict[str, str] = {"qwen-2.5": default_model}
    models: List[str] = list(model_aliases)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "url" in cls.__dict__ and "api_endpoint" not in cls.__dict__:
            cls.api_endpoint = f"{cls.url}/queue/join"

    @classmethod
    def create_async_generator(
        cls,
        model: str,
        messages: Sequence[Message],
        proxy: Optional[str] = None,
        *,
        timeout: Union[None, float, Timeout] = None,
        **kwargs: Any,
    ) -> AnswerGenerator:
        """Ask, and hand out the answer's text as it is written.

        Nothing is asked before the first piece is wanted.

        Args:
            model: A name from `models`, or a size such as `7B`; empty is the default size.
            messages: Dicts with `role` and `content`, the last of them the user's. System messages
                are joined with newlines; without one the Space's own system prompt counts.
            proxy: The URL of a proxy for every request.
            timeout: Seconds for the whole answer, or a `Timeout`.
            kwargs: Anything else is accepted, and named in the log at DEBUG.

        Raises:
            InvalidRequestError: The model's name, the proxy or the timeout is invalid.
                The messages are checked when the first piece is asked for.
        """
        if kwargs:
            _log.debug("create_async_generator makes no use of %s", ", ".join(sorted(kwargs)))
        # By its id, the public Space can be asked whether it sleeps, and is waited for.
        space = PUBLIC_SPACE if cls.url == Qwen_Qwen_2_5.url else cls.url
        client = Client(space, model=model or cls.default_model, proxy=proxy, timeout=timeout)

        def work(put: Put) -> None:
            with client:
                try:
                    hand_over(client.stream(messages), put)
                except ProtocolError as error:
                    # Programs that watch the log for malformed messages find them there.
                    _log.warning("the answer ends here: %s", error)
                    raise

        return AnswerGenerator(Bridge(work))


class AnswerGenerator(AsyncStream):
    """An asynchronous generator of text, which may also be awaited first; that does nothing."""

    def __await__(self) -> Generator[None, None, AnswerGenerator]:
        return self
        yield
