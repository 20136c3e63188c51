"""OpenAI's requests, read and checked; pure."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, NamedTuple, NoReturn, Optional, Tuple

from ..protocol.prompt import Message, Prompt, Query
from .errors import RequestRefusedError

#: How deep a request may be nested.
DEEPEST = 64
#: The most answers of one request.
MOST_CHOICES = 128
#: The longest stop sequence.
LONGEST_STOP = 1000

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_TOOLS = "This server does not support tools."
#: Settings of the model that are passed on where the Space has an input for them.
_SETTINGS = {
    "temperature": (0, 100),
    "top_p": (0, 1),
    "top_k": (-1, 1_000_000),
    "min_p": (0, 1),
    "frequency_penalty": (-100, 100),
    "presence_penalty": (-100, 100),
    "repetition_penalty": (0, 100),
    "seed": (-(2**63), 2**63 - 1),
}


class Request(NamedTuple):
    """What a request asks for, whichever door it came through."""

    #: Of `/chat/completions`; else of `/completions`.
    chat: bool
    model: str
    #: A chat has one.
    prompts: Tuple[Prompt, ...]
    #: How many answers to each prompt.
    n: int = 1
    stream: bool = False
    include_usage: bool = False
    stop: Tuple[str, ...] = ()
    max_tokens: Optional[int] = None
    #: The answer has to be JSON.
    json: bool = False
    #: The JSON Schema that it has to fit.
    schema: Optional[Dict[str, Any]] = None
    #: Settings of the model, by OpenAI's names.
    settings: Mapping[str, float] = {}


def loads(data: bytes) -> Any:
    """Read JSON from a stranger.

    Raises:
        RequestRefusedError: It is not JSON, or nested too deeply.
    """
    try:
        value = json.loads(data, parse_constant=_no_constant, parse_int=_integer)
    except RecursionError:
        raise _refused("The body is nested too deeply.", None) from None
    except ValueError as error:  # also for bytes that are not UTF-8
        raise _refused(f"The body is not JSON: {error}.", None) from None
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return value
    raise _refused("The body is nested too deeply.", None)


def chat_request(body: Any) -> Request:
    """Read the body of `/chat/completions`.

    Raises:
        RequestRefusedError: A field is wrong; `param` names it.
        InvalidRequestError: The messages cannot be asked.
    """
    fields = _fields(body)
    for name in ("tools", "functions"):
        if fields.get(name):
            _refuse(_TOOLS, name, hint="Ask without them, or for JSON with response_format.")
    for name in ("audio", "modalities"):
        if fields.get(name) not in (None, ["text"]):
            _refuse("This server answers with text only.", name)
    if fields.get("logprobs") or fields.get("top_logprobs"):
        _refuse("This server knows no log probabilities.", "logprobs")
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        _refuse("messages has to be a list of messages.", "messages")
    turns = [_message(message, f"messages[{index}]") for index, message in enumerate(messages)]
    wanted, schema = _response_format(fields.get("response_format"))
    request = Request(True, _model(fields), (turns,), json=wanted, schema=schema)
    return _with_options(request, fields, "max_completion_tokens")


def completion_request(body: Any) -> Request:
    """Read the body of `/completions`; raises as `chat_request` does."""
    fields = _fields(body)
    for name in ("echo", "suffix", "logprobs"):
        if fields.get(name):
            _refuse(f"This server does not support {name}.", name)
    prompt = fields.get("prompt")
    prompts = [prompt] if isinstance(prompt, str) else prompt
    if (
        not isinstance(prompts, list)
        or not prompts
        or not all(isinstance(each, str) for each in prompts)
    ):
        _refuse("prompt has to be a string or a list of strings; tokens are not read.", "prompt")
    request = _with_options(Request(False, _model(fields), tuple(prompts)), fields)
    best_of = fields.get("best_of")
    if best_of is not None and best_of != request.n:
        _refuse("This server does not choose among answers.", "best_of", hint="Leave it out.")
    return request


def _with_options(request: Request, fields: Mapping[str, Any], *limits: str) -> Request:
    """The rest of a request, which both kinds have."""
    for prompt in request.prompts:
        Query.of(prompt)  # raises for what cannot be asked
    n = _number(fields, "n", 1, MOST_CHOICES, whole=True)
    n = 1 if n is None else int(n)
    if n * len(request.prompts) > MOST_CHOICES:
        _refuse(f"A request gets at most {MOST_CHOICES} answers.", "n")
    max_tokens = None
    for name in (*limits, "max_tokens"):
        if max_tokens is None:
            max_tokens = _number(fields, name, 1, 2**53, whole=True)
    settings = {}
    for name, (least, most) in _SETTINGS.items():
        value = _number(fields, name, least, most, whole=name in ("seed", "top_k"))
        if value is not None:
            settings[name] = value
    stream = _flag(fields, "stream")
    options = fields.get("stream_options")
    if options is not None and not isinstance(options, dict):
        _refuse("stream_options has to be an object.", "stream_options")
    return request._replace(
        n=n,
        stream=stream,
        include_usage=stream and _flag(options or {}, "include_usage", "stream_options."),
        stop=_stop(fields.get("stop")),
        max_tokens=None if max_tokens is None else int(max_tokens),
        settings=settings,
    )


def _fields(body: Any) -> Dict[str, Any]:
    if not isinstance(body, dict):
        _refuse("The body has to be a JSON object.", None)
    return body


def _model(fields: Mapping[str, Any]) -> str:
    model = fields.get("model")
    if not isinstance(model, str) or not model.strip():
        _refuse("model has to be the name of a model.", "model", hint="GET /v1/models lists them.")
    if len(model) > 200:
        _refuse("model is too long for a name.", "model")
    return model


def _message(message: Any, where: str) -> Message:
    if not isinstance(message, dict):
        _refuse(f"{where} has to be an object.", where)
    role = message.get("role")
    if role in ("tool", "function") or message.get("tool_calls") or message.get("function_call"):
        _refuse(_TOOLS, where)
    if not isinstance(role, str) or role not in _ROLES:
        _refuse(f"{where}.role has to be one of {', '.join(_ROLES)}.", f"{where}.role")
    return {"role": _ROLES[role], "content": _text(message.get("content"), f"{where}.content")}


def _text(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        _refuse(f"{where} has to be a string or a list of parts.", where)
    return "".join(_part(part, f"{where}[{index}]") for index, part in enumerate(content))


def _part(part: Any, where: str) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        _refuse(f"{where} has to be an object with a type.", where)
    text = part.get("text" if kind == "text" else "refusal")
    if kind not in ("text", "refusal"):
        _refuse(
            f"{where} is of type {kind[:40]!r}; this server reads text only, no images, audio or"
            " files.",
            where,
        )
    if not isinstance(text, str):
        _refuse(f"{where}.text has to be a string.", where)
    return text


def _stop(stop: Any) -> Tuple[str, ...]:
    if stop is None:
        return ()
    sequences = [stop] if isinstance(stop, str) else stop
    if (
        not isinstance(sequences, list)
        or len(sequences) > 16
        or not all(isinstance(each, str) and len(each) <= LONGEST_STOP for each in sequences)
    ):
        _refuse("stop has to be a string or a list of at most 16 strings.", "stop")
    return tuple(each for each in sequences if each)


def _response_format(value: Any) -> Tuple[bool, Optional[Dict[str, Any]]]:
    if value is None:
        return False, None
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "text":
        return False, None
    if kind == "json_object":
        return True, None
    if kind != "json_schema":
        _refuse(
            "response_format.type has to be text, json_object or json_schema.", "response_format"
        )
    named = value.get("json_schema")
    schema = named.get("schema") if isinstance(named, dict) else None
    if not isinstance(schema, dict):
        _refuse(
            "response_format.json_schema.schema has to be a JSON Schema, an object.",
            "response_format",
        )
    if _has_pattern(schema):
        # A regular expression of a stranger can keep the whole server busy for hours.
        _refuse(
            "This server checks no regular expressions (pattern, patternProperties).",
            "response_format",
            hint="Leave them out of the schema.",
        )
    return True, schema


def _has_pattern(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(map(_has_pattern, schema))
    if not isinstance(schema, dict):
        return False
    if "pattern" in schema or "patternProperties" in schema:
        return True
    for key, value in schema.items():
        # The keys in there are names, not keywords.
        named = key in ("properties", "$defs", "definitions", "dependentSchemas")
        inner = value.values() if named and isinstance(value, dict) else [value]
        if key not in ("const", "enum", "default", "examples") and any(map(_has_pattern, inner)):
            return True
    return False


def _number(
    fields: Mapping[str, Any], name: str, least: float, most: float, *, whole: bool = False
) -> Optional[float]:
    value = fields.get(name)
    if value is None:
        return None
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        what = "a whole number" if whole else "a number"
        _refuse(f"{name} has to be {what} from {least} to {most}.", name)
    number: float = value
    return number


def _flag(fields: Mapping[str, Any], name: str, where: str = "") -> bool:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        _refuse(f"{where}{name} has to be true or false.", where + name)
    return bool(value)


def _inside(value: Any) -> List[Any]:
    if isinstance(value, dict):
        return [each for each in value.values() if isinstance(each, (dict, list))]
    if isinstance(value, list):
        return [each for each in value if isinstance(each, (dict, list))]
    return []


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    # The time to read one grows with the square of its length.
    if len(digits) > 100:
        raise ValueError("a number is too long")
    return int(digits)


def _refuse(message: str, param: Optional[str], *, hint: Optional[str] = None) -> NoReturn:
    raise _refused(message, param, hint=hint)


def _refused(
    message: str, param: Optional[str], *, hint: Optional[str] = None
) -> RequestRefusedError:
    return RequestRefusedError(message, param=param, hint=hint)
