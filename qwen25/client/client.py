"""`Client`, which asks a Space; and `complete` and `stream`, which ask the default one."""

from __future__ import annotations

import functools
import os
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Generator,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from ..errors import client_closed
from ..events import Event
from ..imports import late_imports
from ..protocol.prompt import DEFAULT_MODEL, ChatRequest, Message, Prompt, Query
from ..timeouts import Clock, Deadline, Timeout
from ..transport.address import Address
from . import arguments
from .conversation import Conversation
from .space import Space
from .spaces import Failover, SpaceOptions, Target, first_that_tells, read_spaces
from .streaming import Stream

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import requests

    from ..protocol.prompt import Choose
    from .call import KeptSession
    from .discovery import App
    from .map import Answer


class Client:
    """Asks a Space, or one of several.

    Making one touches no network. It is safe to share among threads, to pickle, and to use after a
    fork.

    Args:
        space: A Space's id, or the URL of any Gradio chat app; or a list of them, in order of
            preference, where a `SpaceOptions` gives one a token or a login of its own. Default
            `$QWEN25_SPACE`, with commas between several, else `Qwen/Qwen2.5`.
        model: The size to ask, such as `72B`, `7B` or `Coder-7B`, or its full name; default the
            Space's own, which is `72B` on `Qwen/Qwen2.5`.
        system: The system prompt; default the Space's own.
        token: A Hugging Face token for a private Space; it goes to the Space's own host only.
            Default `$HF_TOKEN`, which goes to https hosts of Hugging Face only. `False` is none.
        auth: Name and password for an app behind Gradio's login.
        proxy: One URL for all requests: `http://`, `https://`, or `socks5://` with the extra
            `socks`; default the environment's proxies.
        headers: Sent with every request to each Space.
        timeout: Seconds for a whole answer, or a `Timeout`; default `Timeout()`.
        max_retries: Tries after the first, for what may be tried again.
        verify: Whether to check the server's certificate, or the path of an authority's.
        session: A `requests.Session` to use for everything; it is not closed by the client, and
            as safe among threads as it is.
        endpoint: The API name of the function to ask, for an app that has several chats; default
            the first.
        inputs: Values of the app's other inputs by label, such as `{"Temperature": 0.2}`;
            `space.inputs` lists them.
        flatten: Whether a system prompt or a history without a place goes into the prompt, as
            labelled turns; a `Note` tells it. By default it is refused.

    Raises:
        InvalidRequestError: An argument is invalid.
    """

    def __init__(
        self,
        space: Union[None, str, SpaceOptions, Sequence[Union[str, SpaceOptions]]] = None,
        *,
        model: str = DEFAULT_MODEL,
        system: Optional[str] = None,
        token: Union[None, str, bool] = None,
        auth: Optional[Tuple[str, str]] = None,
        proxy: Optional[str] = None,
        headers: Optional[Mapping[str, str]] = None,
        timeout: Union[None, float, Timeout] = None,
        max_retries: int = 2,
        verify: Union[bool, str, os.PathLike[str]] = True,
        session: Optional[requests.Session] = None,
        endpoint: Optional[str] = None,
        inputs: Optional[Mapping[str, Any]] = None,
        flatten: bool = False,
    ) -> None:
        with late_imports():  # an address is split with a module of Python's own
            self._spaces = read_spaces(space, arguments.token(token), arguments.login(auth))
            self._targets = [
                Target(address, functools.partial(self._make_app, address, options))
                for options in self._spaces
                for address in [Address.of(options.space)]
            ]
        self._model = arguments.model_name(model)
        self._system = arguments.system_prompt(system)
        self._inputs = arguments.labelled(inputs)
        self._flatten = arguments.flag("flatten", flatten)
        self._timeout = Timeout.of(timeout)
        self._max_retries = arguments.count("max_retries", max_retries, 0, "tries")
        self._connection: Dict[str, Any] = {
            "proxy": arguments.proxy_url(proxy),
            "headers": arguments.header_fields(headers),
            "verify": arguments.certificates(verify),
            "session": arguments.session(session),
            "endpoint": arguments.function_name(endpoint),
        }
        self._clock = Clock()
        self._closed = False

    def complete(
        self,
        prompt: Prompt,
        *,
        system: Optional[str] = None,
        model: Optional[str] = None,
        history: Optional[Iterable[Message]] = None,
        timeout: Union[None, float, Timeout] = None,
        on_event: Optional[Callable[[Event], object]] = None,
        flatten: Optional[bool] = None,
        inputs: Optional[Mapping[str, Any]] = None,
    ) -> str:
        """Ask, and wait for the whole answer.

        Args:
            prompt: A text, or a list of messages that ends with the user's turn.
            system: The system prompt; default the client's.
            model: The size to ask; default the client's.
            history: Earlier turns, as messages.
            timeout: Seconds for the whole answer, or a `Timeout`; default the client's.
            on_event: Called with each `Queued`, `Started`, `Progress`, `Note` and `Thought`.
            flatten: As in `Client`, whose value is the default.
            inputs: Values of the app's other inputs, by label, over those of the client.

        Raises:
            QwenError: One of the errors of this library; `partial` holds what had come.
        """
        options = (system, model, history, timeout, on_event, flatten, inputs)
        return self._ask(prompt, *options, start_over=True).result()

    def stream(
        self,
        prompt: Prompt,
        *,
        system: Optional[str] = None,
        model: Optional[str] = None,
        history: Optional[Iterable[Message]] = None,
        timeout: Union[None, float, Timeout] = None,
        on_event: Optional[Callable[[Event], object]] = None,
        flatten: Optional[bool] = None,
        inputs: Optional[Mapping[str, Any]] = None,
    ) -> Stream:
        """Ask, and hand out the answer as it is written.

        The arguments are those of `complete`. They are checked, and the request is put into the
        Space's queue, before this returns.

        Raises:
            QwenError: One of the errors of this library.
        """
        options = (system, model, history, timeout, on_event, flatten, inputs)
        return self._ask(prompt, *options, start_over=False)

    def json(self, prompt: Prompt, schema: Any = None, *, tries: int = 2, **options: Any) -> Any:
        """Ask for JSON, and return the first value in the answer.

        An answer without JSON, or with JSON that does not fit, is asked for again with the reason.

        Args:
            prompt: A text, or a list of messages that ends with the user's turn.
            schema: What the value has to fit: a JSON Schema as a dict, for which the extra `json`
                is needed, or anything with `model_json_schema` and `model_validate`, such as a
                class of pydantic, whose instance is returned. Default any JSON.
            tries: How often to ask, at most.
            options: Those of `complete`.

        Raises:
            GenerationError: No answer fits; `partial` is the last one.
            QwenError: One of the errors of this library.
        """
        with late_imports():
            from .json_answer import JsonQuestion  # it knows json

        question = JsonQuestion(prompt, schema, tries)
        values: List[Any] = []
        while not values:
            values = question.read(self.complete(question.prompt, **options))
        return values[0]

    def conversation(
        self,
        *,
        system: Optional[str] = None,
        model: Optional[str] = None,
        messages: Iterable[Message] = (),
        flatten: Optional[bool] = None,
        inputs: Optional[Mapping[str, Any]] = None,
    ) -> Conversation:
        """Begin a talk in turns, or go on with one whose `messages` are given."""
        return Conversation(
            self, system=system, model=model, messages=messages, flatten=flatten, inputs=inputs
        )

    def map(
        self,
        prompts: Iterable[Prompt],
        *,
        workers: int = 4,
        executor: Optional[Executor] = None,
        model: Optional[str] = None,
        system: Optional[str] = None,
        timeout: Union[None, float, Timeout] = None,
        ordered: bool = True,
    ) -> Generator[Answer, None, None]:
        """Ask many prompts, several at once, and yield an `Answer` for each.

        Prompts are taken when there is room for them, in the caller's thread. A prompt that fails
        gives an answer with an `error`. When the Space's queue is full or it wants fewer requests,
        all workers slow down together; `max_retries` is for other failures. Closing the iterator
        stops what runs in this process, and starts nothing more.

        Args:
            prompts: Texts or lists of messages; an iterable of any length.
            workers: The highest number of prompts in flight at once.
            executor: Where the workers run; default own threads. It is not shut down.
            model: The size to ask; default the client's.
            system: The system prompt; default the client's.
            timeout: Seconds for each answer, or a `Timeout`; default the client's. Waiting for a
                place in a busy Space does not count as long as other prompts are answered.
            ordered: Whether answers come in the order of the prompts, or as soon as they are ready.

        Raises:
            InvalidRequestError: An argument is invalid.
            Exception: Any exception of the prompts or the executor, such as a broken process pool.
        """
        self._check_open()
        with late_imports():
            from .map import map_prompts  # it knows threads

        options = {"workers": workers, "executor": executor, "timeout": timeout, "ordered": ordered}
        return map_prompts(self, prompts, model=model, system=system, **options)

    @property
    def models(self) -> List[str]:
        """The sizes that the first Space that is up offers; empty when it offers no choice."""
        return list(first_that_tells(self.spaces, lambda space: space.plan).sizes)

    @property
    def space(self) -> Space:
        """What is known of the Space, and in words how it is asked."""
        return self._space(self._targets[0])

    @property
    def spaces(self) -> List[Space]:
        """All Spaces that were named, in order of preference, each with its `state`."""
        return [self._space(target) for target in self._targets]

    def close(self) -> None:
        """Close the connections. Closing twice is fine; asking afterwards is an error."""
        self._closed = True
        for target in self._targets:
            target.close()

    def _ask(
        self,
        prompt: Prompt,
        system: Optional[str] = None,
        model: Optional[str] = None,
        history: Optional[Iterable[Message]] = None,
        timeout: Union[None, float, Timeout] = None,
        on_event: Optional[Callable[[Event], object]] = None,
        flatten: Optional[bool] = None,
        inputs: Optional[Mapping[str, Any]] = None,
        *,
        start_over: bool,
        choose: Optional[Choose] = None,
        session: Optional[KeptSession] = None,
        first: Optional[Target] = None,
        only: Optional[int] = None,
        others: int = 0,
        max_retries: Optional[int] = None,
    ) -> Stream:
        query = Query.of(prompt, history, system)
        if query.system is None:
            query = query._replace(system=self._system)
        query.check_characters()
        if model is not None:
            arguments.model_name(model)
        arguments.callback("on_event", on_event)
        request = ChatRequest(
            query,
            self._model if model is None else model,
            {**self._inputs, **arguments.labelled(inputs)},
            self._flatten if flatten is None else arguments.flag("flatten", flatten),
            choose,
        )
        limits = self._timeout if timeout is None else Timeout.of(timeout)
        self._check_open()
        targets = self._targets if only is None else [self._targets[only]]
        with late_imports():
            from .call import Call
            from .retrying import Retries

        call = Call(
            Failover(targets, self._clock.now(), first, others),
            request,
            session=session,
            deadline=Deadline(limits, self._clock),
            retries=Retries(self._max_retries if max_retries is None else max_retries),
            on_event=on_event,
            start_over=start_over,
        )
        call.join()
        return Stream(call)

    def _check_open(self) -> None:
        if self._closed:
            raise client_closed()

    def _make_app(self, address: Address, options: SpaceOptions) -> App:
        with late_imports():
            import logging

            from .discovery import App
        if self._connection["verify"] is False:
            logging.getLogger("qwen25").warning("certificates are not checked: verify=False")
        app = App(address, token=options.token, auth=options.auth, **self._connection)
        if self._closed:  # meanwhile, by another thread
            app.close()
        return app

    def _space(self, target: Target) -> Space:
        return Space(target, self._check_open, lambda: Deadline(self._timeout, self._clock))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Tuple[Any, ...]:
        # A copy opens its own connections, and looks at the Spaces by itself.
        options = {
            "model": self._model,
            "system": self._system,
            "inputs": self._inputs,
            "flatten": self._flatten,
            "timeout": self._timeout,
            "max_retries": self._max_retries,
            **self._connection,
        }
        return _remake, (type(self), self._spaces, options)

    def __repr__(self) -> str:
        names = [target.name for target in self._targets]
        return f"Client({names if len(names) > 1 else names[0]!r}, model={self._model!r})"


def ask(client: Client, prompt: Prompt, *, whole: bool, **options: Any) -> Stream:
    """Ask, and return the stream, which knows more of the answer than its text.

    A `whole` one is asked for again when it breaks, as by `complete`. The options are those of
    `Client.stream`, and `choose` as in `ChatRequest`.
    """
    return client._ask(prompt, start_over=whole, **options)


def _remake(kind: type, spaces: List[SpaceOptions], options: Mapping[str, Any]) -> Client:
    client: Client = kind(spaces, **options)
    return client


_default: Optional[Client] = None


def _default_client() -> Client:
    global _default
    if _default is None:
        _default = Client()
    return _default


def complete(prompt: Prompt, **options: Any) -> str:
    """Ask the default Space, and wait for the whole answer: `Client().complete` in one call.

    One client serves all such calls; it is made at the first.
    """
    return _default_client().complete(prompt, **options)


def stream(prompt: Prompt, **options: Any) -> Stream:
    """Ask the default Space, and hand out the answer as it is written: `Client().stream`."""
    return _default_client().stream(prompt, **options)
