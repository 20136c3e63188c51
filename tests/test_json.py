"""JSON out of answers."""

import pytest

from qwen25 import Client, GenerationError, InvalidRequestError
from qwen25.client.json_answer import JsonQuestion, first_value
from qwen25.testing import FakeSpace

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


@pytest.mark.parametrize(
    "text, value",
    [
        ('{"a": 1}', {"a": 1}),
        ("42", 42),
        (' "Paris"\n', "Paris"),
        ("null", None),
        ('Sure! {"a": [1, 2]} Anything else?', {"a": [1, 2]}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ("Here:\n```\n[1, 2]\n```\nDone.", [1, 2]),
        ('Use {braces}: {"a": 1}', {"a": 1}),
        ('{"a": 1} {"b": 2}', {"a": 1}),
        ("I chose [1, 2] of {3}", [1, 2]),
    ],
)
def test_the_first_value_is_found(text, value):
    assert first_value(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Paris",
        "{a: 1}",
        '{"a": NaN}',
        '{"people": [{"name": "A"}, {"na',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_what_has_no_whole_value_has_none(text):
    with pytest.raises(ValueError):
        first_value(text)


def test_reading_takes_time_by_the_length_only():
    with pytest.raises(ValueError):
        first_value("[1, {x: " * 200_000)


def test_the_prompt_asks_for_json_and_names_the_schema():
    pytest.importorskip("jsonschema")
    asked = JsonQuestion("Who?", PERSON).prompt
    assert asked.startswith("Who?\n\nAnswer with JSON only")
    assert '"age"' in asked


def test_the_words_are_added_to_the_user_s_last_turn():
    messages = [
        {"role": "user", "content": "Who?"},
        {"role": "system", "content": "Be short."},
    ]
    first, second = JsonQuestion(messages).prompt
    assert first["content"].startswith("Who?\n\nAnswer with JSON only")
    assert second == messages[1]
    assert messages[0]["content"] == "Who?"


def test_a_value_is_returned():
    with FakeSpace(["Sure: ", '{"a"', ": 1}"]) as space, Client(space.url) as client:
        assert client.json("Give me JSON") == {"a": 1}


def test_an_answer_that_does_not_fit_is_asked_for_again_with_the_reason():
    pytest.importorskip("jsonschema")
    asked = []

    def answer(question):
        asked.append(question.prompt)
        return '{"name": "Ann"}' if len(asked) == 1 else '{"name": "Ann", "age": 7}'

    with FakeSpace(answer) as space, Client(space.url) as client:
        assert client.json("Who?", PERSON) == {"name": "Ann", "age": 7}
    assert "An earlier answer was wrong: at $: 'age' is a required property" in asked[1]


def test_the_error_after_the_last_try_has_the_answer():
    with FakeSpace("I can't.") as space, Client(space.url) as client:
        with pytest.raises(GenerationError) as caught:
            client.json("Who?", tries=3)
        assert caught.value.partial == "I can't."
        assert caught.value.detail == "there is no JSON in it"
        joins = [each for each in space.requests if each.path.endswith("/queue/join")]
        assert len(joins) == 3


class Person:
    """What a class of pydantic looks like from here."""

    def __init__(self, name):
        self.name = name

    @classmethod
    def model_json_schema(cls):
        return PERSON

    @classmethod
    def model_validate(cls, value):
        if "age" not in value:
            raise ValueError("age is missing")
        return cls(value["name"])


def test_a_class_that_validates_makes_the_value():
    with FakeSpace(first=['{"name": "Ann"}'], answer='{"name": "Bob", "age": 1}') as space:
        with Client(space.url) as client:
            assert client.json("Who?", Person).name == "Bob"


@pytest.mark.parametrize("schema", [1, "object", [PERSON], {"type": "objekt"}, {"$schema": []}])
def test_what_is_no_schema_is_refused_before_anything_is_asked(schema):
    pytest.importorskip("jsonschema")
    with pytest.raises(InvalidRequestError):
        Client("http://127.0.0.1:9").json("Who?", schema)


@pytest.mark.parametrize("schema", [{"$ref": "http://127.0.0.1:9/a"}, {"$ref": "#"}])
def test_a_schema_fetches_nothing_and_ends(schema):
    pytest.importorskip("jsonschema")
    question = JsonQuestion("Who?", schema)
    with pytest.raises(InvalidRequestError):
        question.read("{}")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jsonschema", None)
    with pytest.raises(InvalidRequestError) as caught:
        JsonQuestion("Who?", PERSON)
    assert "qwen25[json]" in str(caught.value)


@pytest.mark.parametrize("tries", [0, -1, True, 1.5, "2"])
def test_tries_have_to_be_a_number(tries):
    with pytest.raises(InvalidRequestError):
        JsonQuestion("Who?", tries=tries)
