"""A prompt, as a user may write it, in the parts that the Space takes."""

from __future__ import annotations

from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from ..errors import InvalidRequestError, describe

if TYPE_CHECKING:
    from .inputs import Input

    #: Makes values, by label, for the inputs that an app has.
    Choose = Callable[[Sequence[Input]], Mapping[str, Any]]

#: A message as every client of this kind has it: `{"role": ..., "content": ...}`.
Message = Dict[str, str]
#: What can be asked: a text, or messages that end with the user's turn.
Prompt = Union[str, Sequence[Message]]


class DefaultModel(str):
    """The model of a caller who names none: the app's own default, whatever that is."""


#: As the public Space calls its own default.
DEFAULT_MODEL = DefaultModel("72B")

_ROLES = ("system", "user", "assistant")
_SHAPE = 'Each message is a dict such as {"role": "user", "content": "Hello"}.'


class Query(NamedTuple):
    """One request: what is asked now, what was said before, and how to behave."""

    text: str
    #: The turns before, the oldest first; roles are `user` and `assistant` only.
    history: Tuple[Message, ...]
    #: The system prompt; `None` leaves the Space's own.
    system: Optional[str]
    #: Whether the text is labelled turns already.
    flat: bool = False

    @classmethod
    def of(
        cls,
        prompt: Prompt,
        history: Optional[Iterable[Message]] = None,
        system: Optional[str] = None,
    ) -> Query:
        """Read a prompt with its history.

        System messages, which may stand anywhere in either list, are joined with newlines.

        Raises:
            InvalidRequestError: The prompt is empty, a message is malformed, the last turn is
                not the user's, or there are system messages and a `system` as well.
        """
        turns = _messages(() if history is None else history, "history")
        if isinstance(prompt, str):
            turns.append({"role": "user", "content": prompt})
        else:
            turns += _messages(prompt, "prompt")
        systems = [turn["content"] for turn in turns if turn["role"] == "system"]
        said = [turn for turn in turns if turn["role"] != "system"]
        if not said or said[-1]["role"] != "user":
            raise InvalidRequestError(
                "The messages do not end with the user's turn.",
                hint='Add a last {"role": "user", "content": ...}.',
            )
        text = said.pop()["content"]
        if not text.strip():
            raise InvalidRequestError("The prompt is empty.", hint="Give it some text.")
        if system is not None:
            _check_text(system, "system")
        if systems:
            if system is not None:
                raise InvalidRequestError(
                    "There are two system prompts: a system message and the argument `system`.",
                    hint="Give one of them.",
                )
            system = "\n".join(systems)
        return cls(text, tuple(said), system)

    def check_characters(self) -> None:
        """Refuse half a character: JSON could carry it, but most apps fail at it without a reason.

        Raises:
            InvalidRequestError: A text has a lone surrogate.
        """
        texts = [self.text, self.system or "", *(turn["content"] for turn in self.history)]
        for text in texts:
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise InvalidRequestError(
                    f"A text has half a character (a lone surrogate) at position {error.start}.",
                    hint='Replace it: text.encode("utf-8", "replace").decode().',
                ) from error


class ChatRequest:
    """What a caller wants of an app.

    Args:
        inputs: Values of the app's other inputs, by label.
        flatten: Whether to put into the prompt what the app has no place for.
        choose: Makes further values when it is known which app is asked; they count over `inputs`.
    """

    def __init__(
        self,
        query: Query,
        model: str = DEFAULT_MODEL,
        inputs: Mapping[str, Any] = {},
        flatten: bool = False,
        choose: Optional[Choose] = None,
    ) -> None:
        self.query = query
        self.model = model
        self.inputs = inputs
        self.flatten = flatten
        self.choose = choose


def flattened(query: Query, what: str) -> Query:
    """Put the `history` or the `system` prompt of a query into its text, as labelled turns."""
    turns = [] if what == "system" else list(query.history)
    first = [f"System: {query.system}"] if what == "system" else []
    labels = {"user": "User", "assistant": "Assistant"}
    said = first + [f"{labels[turn['role']]}: {turn['content']}" for turn in turns]
    text = query.text if query.flat else f"User: {query.text}"
    text = "\n\n".join([*said, text])
    if what == "system":
        return query._replace(text=text, system=None, flat=True)
    return query._replace(text=text, history=(), flat=True)


def _messages(messages: Iterable[Any], where: str) -> List[Message]:
    if isinstance(messages, (str, bytes, dict)):
        raise _no_messages(messages, where)
    try:
        each = iter(messages)
    except TypeError as error:
        raise _no_messages(messages, where) from error
    return [_message(message, f"{where}[{index}]") for index, message in enumerate(each)]


def _no_messages(messages: Any, where: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"The {where} is a {type(messages).__name__}; a list of messages was expected.",
        hint=_SHAPE,
    )


def _message(message: Any, where: str) -> Message:
    if not isinstance(message, dict):
        raise InvalidRequestError(
            f"{where} is a {type(message).__name__}, not a message.", hint=_SHAPE
        )
    role, content = message.get("role"), message.get("content")
    if role not in _ROLES:
        raise InvalidRequestError(
            f"{where} has the role {describe(role)}; expected was one of {', '.join(_ROLES)}.",
            hint=_SHAPE,
        )
    _check_text(content, f"The content of {where}")
    return {"role": role, "content": content}


def _check_text(text: Any, name: str) -> None:
    if not isinstance(text, str):
        raise InvalidRequestError(
            f"{name} is a {type(text).__name__}; a string was expected.", hint=_SHAPE
        )
