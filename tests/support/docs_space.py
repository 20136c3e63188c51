"""The Space that the pages ask: a loopback double that knows the answers they print."""

from __future__ import annotations

from qwen25.testing import FakeSpace

#: What the pages ask, and the pieces they are answered with.
ANSWERS = {
    "What is the capital of France?": ["The capital", " of France", " is Paris."],
    "And of Italy?": ["The capital", " of Italy", " is Rome."],
    "Tell me a story": ["Once upon a time", " there was a fox", " who counted", " the stars."],
    "Say hello": ["Hello", ", world!"],
    "Name a city": ["Here: ", '{"name": "Paris"}'],
}

#: Files that pages take for given, since every reader has some like them.
FILES = {
    "report.txt": "The harvest was good.\n",
    "sentences.txt": "Good morning.\nSee you tomorrow.\n",
    "questions.txt": "What is the capital of France?\nSay hello\n",
}


def answer(question):
    """The pieces of an answer; what nobody wrote down is repeated."""
    first, *_, last = [*question.prompt.split("\n\n"), question.prompt.rsplit("\n\n", 1)[-1]]
    for prompt in (question.prompt, last, first):
        if prompt in ANSWERS:
            return ANSWERS[prompt]
    return ["You asked: ", question.prompt]


def docs_space():
    """A Space for one page."""
    return FakeSpace(answer)
