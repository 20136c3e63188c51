"""JSON out of an answer: what is added to the prompt, and what is read and checked; pure."""

from __future__ import annotations

import json
import re
from typing import Any, Callable, List, Mapping, NoReturn, Optional, Tuple

from ..errors import GenerationError, InvalidRequestError, describe
from ..protocol.prompt import Message, Prompt, Query
from . import arguments

#: Returns the value to hand out, or raises `ValueError` with the reason why it does not fit.
Check = Callable[[Any], Any]

_FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*?)```", re.DOTALL | re.IGNORECASE)
_OPENING = re.compile(r"[\[{]")
#: How many brackets are looked at: each that begins no JSON takes time by the text's length.
_MOST_OPENINGS = 100


class JsonQuestion:
    """A prompt that is asked until its answer is JSON that fits.

    Args:
        prompt: What is asked.
        schema: A JSON Schema, or anything with `model_json_schema` and `model_validate`, such as
            a class of pydantic; `None` takes any JSON.
        tries: How often it is asked, at most.

    Raises:
        InvalidRequestError: The schema is not one, or jsonschema is not installed for it.
    """

    def __init__(self, prompt: Prompt, schema: Any = None, tries: int = 2) -> None:
        arguments.count("tries", tries, 1, "tries")
        Query.of(prompt)  # raises for what cannot be asked
        self._prompt = prompt
        self._tries = tries
        self._shape, self._check = _reading(schema)
        self._reason: Optional[str] = None

    @property
    def prompt(self) -> Prompt:
        """What to ask now."""
        words = ["Answer with JSON only: one value, no other words."]
        if self._shape is not None:
            shape = json.dumps(self._shape, ensure_ascii=False)
            words.append(f"It has to fit this JSON Schema:\n{shape}")
        if self._reason is not None:
            words.append(f"An earlier answer was wrong: {self._reason}")
        return _with_words(self._prompt, "\n".join(words))

    def read(self, text: str) -> List[Any]:
        """The value in an answer, in a list of one; an empty list when to ask again.

        Raises:
            GenerationError: No answer fits, and the tries are used up; `partial` is the last one.
        """
        try:
            return [self._check(first_value(text))]
        except InvalidRequestError:  # also a ValueError, and the schema's fault
            raise
        except ValueError as error:
            self._reason = str(error)[:1000]
        self._tries -= 1
        if self._tries:
            return []
        failure = GenerationError(
            f"The answer is not the JSON that was asked for: {self._reason}",
            hint="`partial` is the answer. Allow more tries, or simplify the schema.",
            detail=self._reason,
        )
        failure.partial = text
        raise failure


def first_value(text: str) -> Any:
    """The first JSON value in a text.

    That is the whole text, else a fenced block, else what begins at the first bracket that begins
    JSON. What lies inside broken JSON is not taken: it would be a part of the value only.

    Raises:
        ValueError: There is none; the message is for the model.
    """
    reason = "there is no JSON in it"
    for candidate in (text, *(match[1] for match in _FENCE.finditer(text))):
        try:
            return _loads(candidate)
        except json.JSONDecodeError:
            pass  # there may be JSON in it
    position = 0
    for _ in range(_MOST_OPENINGS):
        opening = _OPENING.search(text, position)
        if opening is None:
            break
        try:
            return _DECODER.raw_decode(text, opening.start())[0]
        except json.JSONDecodeError as error:
            reason = f"its JSON is broken: {error}"
            position = max(error.pos, opening.end())
        except RecursionError:
            raise ValueError("its JSON is nested too deeply") from None
    raise ValueError(reason)


def _loads(text: str) -> Any:
    try:
        return _DECODER.decode(text.strip())
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _reading(schema: Any) -> Tuple[Optional[Mapping[str, Any]], Check]:
    """A schema as JSON Schema, and the check of a value against it."""
    if schema is None:
        return None, lambda value: value
    if isinstance(schema, Mapping):
        return schema, _checked_by_jsonschema(schema)
    shape = getattr(schema, "model_json_schema", None)
    validate = getattr(schema, "model_validate", None)
    if not callable(shape) or not callable(validate):
        raise InvalidRequestError(
            f"schema={describe(schema)} is not a schema.",
            hint="Give a JSON Schema as a dict, or a class with model_json_schema and"
            " model_validate, such as one of pydantic.",
        )
    return shape(), validate


def _checked_by_jsonschema(schema: Mapping[str, Any]) -> Check:
    try:
        from jsonschema import SchemaError
        from jsonschema.validators import validator_for
        from referencing import Registry
        from referencing.exceptions import Unresolvable
    except ImportError as error:
        raise InvalidRequestError(
            "A JSON Schema is checked with the package jsonschema, and it is missing.",
            hint='Install it: pip install "qwen25[json]"',
        ) from error
    if not isinstance(schema.get("$schema", ""), str):
        raise InvalidRequestError("The schema is not a JSON Schema: $schema is not a string.")
    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise InvalidRequestError(f"The schema is not a JSON Schema: {error.message}.") from error
    # An empty registry: nothing is fetched from the addresses in a schema.
    validator = kind(schema, registry=Registry())

    def check(value: Any) -> Any:
        try:
            wrong = next(validator.iter_errors(value), None)
        except Unresolvable as error:
            raise InvalidRequestError(f"The schema refers to what it lacks: {error}") from error
        except RecursionError:
            raise InvalidRequestError("The schema refers to itself without an end.") from None
        if wrong is not None:
            raise ValueError(f"at {wrong.json_path}: {wrong.message[:500]}")
        return value

    return check


def _with_words(prompt: Prompt, words: str) -> Prompt:
    """The prompt, with more words in the user's last turn."""
    if isinstance(prompt, str):
        return f"{prompt}\n\n{words}"
    messages: List[Message] = list(prompt)
    last = max(index for index, each in enumerate(messages) if each["role"] == "user")
    longer = f"{messages[last]['content']}\n\n{words}"
    messages[last] = {**messages[last], "content": longer}
    return messages
