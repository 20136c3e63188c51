"""What a Space has a place for, and what becomes of the rest; and what comes beside a text."""

from __future__ import annotations

import json

import pytest
from doors import chunks, error_of, said

from qwen25.testing import Fail, FakeSpace, Gate, Message, Repeat, Reply

HELLO = ["Hello", " world"]
#: A Space with inputs for a system prompt, "Max new tokens", "Temperature" and "Top-p".
INPUTS = "chat_interface_inputs"
SYSTEM = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}]
either = pytest.mark.parametrize("stream", [False, True])


def answer_of(response, stream):
    """The text, the reason for its end, and the model."""
    if stream:
        answer = chunks(response)
        return said(answer), answer[-1]["choices"][0]["finish_reason"], answer[0]["model"]
    answer = response.json()
    (choice,) = answer["choices"]
    return choice["message"]["content"], choice["finish_reason"], answer["model"]


class Asked:
    """A script that answers with its settings, and keeps the questions."""

    def __init__(self, answer="Yes"):
        self.questions = []
        self.answer = answer

    def __call__(self, question):
        self.questions.append(question)
        return self.answer


# Settings


@either
def test_a_setting_without_an_input_is_told_in_a_header(door, stream):
    with FakeSpace(HELLO) as space:
        response = door(space).chat(temperature=0.5, stream=stream)
        assert response.status_code == 200
        assert response.headers["x-qwen25-note"] == "temperature has no effect here."


@either
def test_a_setting_reaches_the_input_of_its_name(door, stream):
    asked = Asked()
    with FakeSpace(asked, shape=INPUTS) as space:
        response = door(space).chat(model="qwen-2.5", temperature=0.5, top_p=2e-2, stream=stream)
        assert answer_of(response, stream)[0] == "Yes"
    assert asked.questions[0].inputs["Temperature"] == 0.5
    assert asked.questions[0].inputs["Top-p (nucleus sampling)"] == 0.1
    assert response.headers["x-qwen25-note"] == "top_p is 0.1 here."


@either
def test_an_input_for_the_limit_counts_and_not_the_cut(door, stream):
    """The Space's own limit is exact; the estimate is for Spaces without one."""
    asked = Asked("word " * 50)
    with FakeSpace(asked, shape=INPUTS) as space:
        response = door(space).chat(model="qwen-2.5", max_tokens=10, stream=stream)
        assert answer_of(response, stream)[:2] == ("word " * 50, "stop")
    assert asked.questions[0].inputs["Max new tokens"] == 10


@either
def test_each_of_several_spaces_takes_the_settings_that_it_knows(door, stream):
    """Which Space answers is known late: the one that knows a setting gets it."""
    asked = Asked("word " * 50)
    down = Reply(503, "Service Unavailable")
    fields = {"model": "qwen-2.5", "temperature": 0.5, "max_tokens": 10, "stream": stream}
    with FakeSpace(HELLO) as plain, FakeSpace(asked, shape=INPUTS) as knowing:
        opened = door([plain.url, knowing.url], {"max_retries": 0})
        response = opened.chat(**fields)
        assert answer_of(response, stream)[:2] == ("Hello world", "stop")
        assert response.headers["x-qwen25-note"] == "temperature has no effect here."
        plain.join = down
        response = opened.chat(**fields)
        assert answer_of(response, stream)[:2] == ("word " * 50, "stop")
        assert "temperature" not in response.headers["x-qwen25-note"]
        assert asked.questions[0].inputs["Temperature"] == 0.5
        assert asked.questions[0].inputs["Max new tokens"] == 10


@either
@pytest.mark.parametrize(
    "wanted", [{}, {"stop": "X"}, {"response_format": {"type": "json_object"}}]
)
def test_of_several_spaces_the_model_is_that_of_the_one_that_answered(door, stream, wanted):
    down = Reply(404, "Not Found")
    with FakeSpace(config=down) as first, FakeSpace("[1]", sizes=["7b"]) as second:
        opened = door([first.url, second.url], {"max_retries": 0})
        response = opened.chat(model="7B", stream=stream, temperature=1, **wanted)
        assert answer_of(response, stream) == ("[1]", "stop", "7b")
        names = [each["id"] for each in opened.get("/v1/models").json()["data"]]
        assert names == ["7b"]
        assert opened.get("/v1/models/7B").status_code == 200


# A system prompt, or a history


@either
def test_what_has_no_place_goes_into_the_prompt_and_a_header_says_so(door, stream):
    asked = Asked()
    turns = [SYSTEM[0], {"role": "user", "content": "One?"}]
    turns += [{"role": "assistant", "content": "Two."}, SYSTEM[1]]
    with FakeSpace(asked, shape="text_to_text") as space:
        opened = door(space)
        responses = [
            opened.chat(messages, model="qwen-2.5", stream=stream) for messages in (SYSTEM, turns)
        ]
        assert [answer_of(each, stream)[0] for each in responses] == ["Yes", "Yes"]
    system, both = [each.headers["x-qwen25-note"] for each in responses]
    assert "no place for the system prompt" in system and "earlier turns" not in system
    assert "no place for the system prompt" in both and "earlier turns" in both
    assert asked.questions[0].prompt == "System: Be short.\n\nUser: Hi"
    assert asked.questions[1].prompt.startswith("System: Be short.\n\nUser: One?")


@either
def test_without_flattening_what_has_no_place_is_400(door, stream):
    with FakeSpace(shape="text_to_text") as space:
        opened = door(space, flatten=False)
        response = opened.chat(SYSTEM, model="qwen-2.5", stream=stream)
        assert response.status_code == 400
        assert "system prompt" in error_of(response)["message"]
        response = opened.chat(model="qwen-2.5", stream=stream)
        assert "x-qwen25-note" not in response.headers


# Thoughts

_DONE = {"msg": "process_completed", "success": True}


def shown(*contents, msg="process_generating"):
    """A message with what a chatbot of Gradio 6 shows."""
    answers = [
        {
            "role": "assistant",
            "metadata": {"title": title} if title else None,
            "content": parts(text),
        }
        for title, text in contents
    ]
    value = [{"role": "user", "metadata": None, "content": parts("Hi")}, *answers]
    return Message({"msg": msg, "success": True, "output": {"data": ["", value, ""]}})


def parts(text):
    return [{"type": "text", "text": text}]


def grown(path, text):
    """A message with more of what the chatbot shows."""
    diff = [["append", path, text]]
    return Message(
        {"msg": "process_generating", "success": True, "output": {"data": [[], diff, []]}}
    )


THINKING = [
    shown(("Thinking", "Let me")),
    grown([1, "content", 0, "text"], " see."),
    shown(
        *[("Thinking", "Let me see."), ("A tool", "2 + 2"), (None, "It is 4.")],
        msg="process_completed",
    ),
]


def test_thoughts_of_a_stream_come_in_a_field_of_their_own(door):
    with FakeSpace(THINKING, layout="parts") as space:
        answer = chunks(door(space).chat(stream=True))
        plain = chunks(door(space).post("/completions", json={**COMPLETION, "stream": True}))
    deltas = [chunk["choices"][0]["delta"] for chunk in answer]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "Let me"},
        {"reasoning_content": " see."},
        {"reasoning_content": "\n\n2 + 2"},
        {"content": "It is 4."},
        {},
    ]
    assert [chunk["choices"][0]["text"] for chunk in plain] == ["It is 4.", ""]


COMPLETION = {"model": "72B", "prompt": "Hi"}


def test_thoughts_of_a_whole_answer_come_in_a_field_of_their_own(door):
    with FakeSpace(THINKING, layout="parts") as space:
        opened = door(space)
        message = opened.chat().json()["choices"][0]["message"]
        plain = opened.post("/completions", json=COMPLETION).json()
    assert message["reasoning_content"] == "Let me see.\n\n2 + 2"
    assert message["content"] == plain["choices"][0]["text"] == "It is 4."


def test_the_first_thought_comes_before_the_answer_is_written(door):
    gate = Gate()
    with FakeSpace([THINKING[0], gate, *THINKING[1:]], layout="parts") as space:
        lines = (each for each in door(space).chat(stream=True).iter_lines(chunk_size=1) if each)
        assert b"role" in next(lines)
        assert b"reasoning_content" in next(lines)
        gate.set()
        assert list(lines)[-1] == b"data: [DONE]"


def test_a_failure_after_a_thought_is_told_as_data(door):
    with FakeSpace([THINKING[0], Fail("Out of memory")], layout="parts") as space:
        lines = list(door(space).chat(stream=True).iter_lines())
    assert b"Out of memory" in [each for each in lines if each][-1]


# JSON


@either
def test_a_stop_ends_json_and_the_space_s_work(door, stream):
    wanted = {"type": "json_object"}
    script = ['{"a": 1} ST', "OP", Repeat(["more", Gate()])]
    with FakeSpace(script) as space:
        response = door(space).chat(stop="STOP", response_format=wanted, stream=stream)
        text, reason, _ = answer_of(response, stream)
        assert (json.loads(text), reason) == ({"a": 1}, "stop")
        space.wait_for(lambda: space.left == 1)


@either
def test_json_that_is_cut_for_its_length_is_not_asked_for_again(door, stream):
    """As OpenAI's servers do: the reason for the end tells it."""
    wanted = {"type": "json_object"}
    with FakeSpace(['{"a": "', Repeat(["word "] * 50 + [Gate()])]) as space:
        response = door(space).chat(max_tokens=10, response_format=wanted, stream=stream)
        text, reason, _ = answer_of(response, stream)
        assert text.startswith('{"a": "word') and reason == "length"
        space.wait_for(lambda: space.left == 1)
        assert len([each for each in space.requests if each.path.endswith("/queue/join")]) == 1
