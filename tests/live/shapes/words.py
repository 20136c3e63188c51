"""The model behind every app of this folder: its answer tells what it was given.

A query that begins with one of these words is a script:

    GATE    each piece waits until the launcher reads `go`
    BREAK   the writer fails after three pieces
    RAISE   the writer raises `gr.Error` before the first piece
"""

from __future__ import annotations

import threading

import gradio as gr

GRADIO = tuple(map(int, gr.__version__.split(".")[:2]))
gate = threading.Semaphore(0)

#: For `gr.Chatbot` and `gr.ChatInterface`: ask for messages where there is something to choose.
MESSAGES = {"type": "messages"} if (4, 44) <= GRADIO < (6, 0) else {}
#: How a plain `gr.Chatbot()` keeps a conversation.
PAIRS = GRADIO < (6, 0)


def flat(history):
    """The texts of a conversation in any layout, in order: pairs, messages, parts."""
    if history is None:
        return []
    if isinstance(history, str):
        return [] if history.startswith("/") else [history]  # no paths of files
    if isinstance(history, dict):
        if "content" in history:
            return flat(history["content"])
        return [history["text"]] if history.get("text") else []
    if isinstance(history, (list, tuple)):
        return [text for item in history for text in flat(item)]
    # modelscope_studio's and Gradio's own classes of messages
    return flat(getattr(history, "content", getattr(history, "text", None)))


def turn(query, text=None, pairs=PAIRS):
    """What a turn adds to the value of a plain `gr.Chatbot()`."""
    if pairs:
        return [[query, text]]
    asked = [{"role": "user", "content": query}]
    return asked if text is None else asked + [{"role": "assistant", "content": text}]


def split(history):
    """The query that waits for its answer at the end of a chatbot's value, and all before it."""
    return flat(history[-1])[0], history[:-1]


def answer(query, history=(), **given):
    """The whole text: what was given by name, the texts of the history, and the query."""
    facts = ["{}={}".format(name, value) for name, value in given.items()]
    facts.append("history={}".format(" / ".join(flat(history)) or "none"))
    return "{}; you said {}. 你好 and bye".format("; ".join(facts), query)


def write(query, history=(), **given):
    """Yield the text so far, in five pieces."""
    if query.startswith("RAISE"):
        raise gr.Error("the writer refused")
    text = answer(query, history, **given)
    size = -(-len(text) // 5)
    for i in range(1, 6):
        if query.startswith("GATE"):
            gate.acquire()
        if query.startswith("BREAK") and i == 4:
            raise ValueError("the writer broke")
        yield text[: i * size]
