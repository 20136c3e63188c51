"""OpenAI's requests, read and checked."""

import pickle

import pytest

from qwen25 import InvalidRequestError
from qwen25.openai.errors import RequestRefusedError
from qwen25.openai.requests import chat_request, completion_request, loads

HELLO = [{"role": "user", "content": "Hello"}]


def chat(**fields):
    return chat_request({"model": "72B", "messages": HELLO, **fields})


def refusal(**fields):
    with pytest.raises(RequestRefusedError) as caught:
        chat(**fields)
    return caught.value


def test_the_least_request_is_read():
    request = chat()
    assert (request.model, request.prompts) == ("72B", (HELLO,))
    assert (request.n, request.stream, request.stop, request.max_tokens) == (1, False, (), None)


def test_text_parts_are_joined():
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    assert chat(messages=[{"role": "user", "content": parts}]).prompts == (HELLO,)


def test_a_developer_is_a_system():
    turns = [{"role": "developer", "content": "Be short."}, *HELLO]
    assert chat(messages=turns).prompts[0][0] == {"role": "system", "content": "Be short."}


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file"])
def test_other_parts_than_text_are_refused(kind):
    error = refusal(messages=[{"role": "user", "content": [{"type": kind, kind: {}}]}])
    assert error.param == "messages[0].content[0]"
    assert "no images, audio or files" in str(error)


@pytest.mark.parametrize("name", ["tools", "functions"])
def test_tools_are_refused_in_the_words_that_clients_look_for(name):
    error = refusal(**{name: [{"type": "function", "function": {"name": "f"}}]})
    assert "does not support tools" in str(error)
    assert error.param == name


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "tool", "content": "4", "tool_call_id": "a"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]},
    ],
)
def test_turns_of_tools_are_refused(turn):
    assert "does not support tools" in str(refusal(messages=[*HELLO, turn, *HELLO]))


@pytest.mark.parametrize("name", ["tools", "functions", "stop", "n", "response_format", "seed"])
def test_a_field_that_is_null_is_left_out(name):
    assert chat(**{name: None}) == chat()


@pytest.mark.parametrize("fields", [{"user": "me"}, {"logit_bias": {}}, {"tools": []}])
def test_fields_without_a_meaning_here_are_passed_over(fields):
    assert chat(**fields) == chat()


@pytest.mark.parametrize(
    "fields, param",
    [
        ({"model": None}, "model"),
        ({"model": ["72B"]}, "model"),
        ({"model": "x" * 1000}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [1]}, "messages[0]"),
        ({"messages": [{"content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["a"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": []}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0]"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": True}, "n"),
        ({"n": 1.5}, "n"),
        ({"n": "2"}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 2}, "top_p"),
        ({"seed": 0.5}, "seed"),
        ({"stream": "yes"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream_options": []}, "stream_options"),
        (
            {"stream": True, "stream_options": {"include_usage": 1}},
            "stream_options.include_usage",
        ),
        ({"stop": 1}, "stop"),
        ({"stop": [1]}, "stop"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"stop": "a" * 1001}, "stop"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": []}}, "response_format"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["audio"]}, "modalities"),
    ],
)
def test_a_field_of_a_wrong_kind_is_named(fields, param):
    error = refusal(**fields)
    assert error.param == param
    assert error.status == 400


@pytest.mark.parametrize("body", [None, 1, "a", [], [{}]])
def test_a_body_that_is_no_object_is_refused(body):
    for read in (chat_request, completion_request):
        with pytest.raises(RequestRefusedError):
            read(body)


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": "  "}],
        [*HELLO, {"role": "assistant", "content": "Hi"}],
        [{"role": "system", "content": "Be short."}],
    ],
)
def test_messages_that_cannot_be_asked_are_refused_in_the_library_s_words(messages):
    with pytest.raises(InvalidRequestError):
        chat(messages=messages)


def test_the_newer_name_of_the_limit_counts_first():
    assert chat(max_tokens=9, max_completion_tokens=5).max_tokens == 5
    assert chat(max_tokens=9).max_tokens == 9


def test_usage_is_included_in_a_stream_only():
    assert chat(stream=True, stream_options={"include_usage": True}).include_usage
    assert not chat(stream_options={"include_usage": True}).include_usage


def test_settings_keep_their_names():
    assert chat(temperature=0.5, seed=3).settings == {"temperature": 0.5, "seed": 3}


@pytest.mark.parametrize("stop, read", [("a", ("a",)), (["a", "", "b"], ("a", "b")), ([], ())])
def test_stop_sequences_are_read(stop, read):
    assert chat(stop=stop).stop == read


def test_json_is_asked_for():
    assert chat(response_format={"type": "json_object"}).json
    schema = {"type": "object"}
    asked = chat(response_format={"type": "json_schema", "json_schema": {"schema": schema}})
    assert (asked.json, asked.schema) == (True, schema)
    assert not chat(response_format={"type": "text"}).json


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "(a+)+$"},
        {"properties": {"a": {"pattern": "a"}}},
        {"$defs": {"b": {"items": [{"patternProperties": {}}]}}},
        {"anyOf": [{"pattern": "a"}]},
    ],
)
def test_regular_expressions_of_strangers_are_refused(schema):
    error = refusal(response_format={"type": "json_schema", "json_schema": {"schema": schema}})
    assert "regular expressions" in str(error)


def test_a_property_may_be_called_pattern():
    schema = {"properties": {"pattern": {"type": "string"}}, "const": {"pattern": "a"}}
    assert chat(response_format={"type": "json_schema", "json_schema": {"schema": schema}}).json


# Completions


def completion(**fields):
    return completion_request({"model": "72B", "prompt": "Hello", **fields})


@pytest.mark.parametrize("prompt, read", [("a", ("a",)), (["a", "b"], ("a", "b"))])
def test_a_completion_has_prompts(prompt, read):
    assert completion(prompt=prompt).prompts == read
    assert not completion().chat


@pytest.mark.parametrize(
    "fields, param",
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1, 2]]}, "prompt"),
        ({"echo": True}, "echo"),
        ({"suffix": "end"}, "suffix"),
        ({"logprobs": 3}, "logprobs"),
        ({"best_of": 3}, "best_of"),
        ({"prompt": ["a"] * 65, "n": 2}, "n"),
    ],
)
def test_what_a_completion_cannot_have_is_named(fields, param):
    with pytest.raises(RequestRefusedError) as caught:
        completion(**fields)
    assert caught.value.param == param


# The body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff",
        b'{"a": NaN}',
        b'{"a": ' + b"1" * 101 + b"}",
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"[" * 70 + b"]" * 70, id="too deep"),
        pytest.param(b'{"a":' * 70 + b"1" + b"}" * 70, id="deep objects"),
    ],
)
def test_what_is_no_json_of_a_request_is_refused(data):
    with pytest.raises(RequestRefusedError) as caught:
        loads(data)
    assert caught.value.status == 400


def test_json_is_read():
    assert loads('{"a": [1, "ü"]}'.encode()) == {"a": [1, "ü"]}


def test_a_refusal_can_be_pickled():
    error = pickle.loads(pickle.dumps(refusal(n=0)))
    assert (error.param, error.status) == ("n", 400)
