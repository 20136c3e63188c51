"""A `gr.ChatInterface` that answers with text, a component and a file."""

import tempfile
from pathlib import Path

import gradio as gr
from words import MESSAGES, answer

notes = Path(tempfile.mkdtemp()) / "notes.txt"
notes.write_text("hello", encoding="utf-8")


def respond(message, history):
    return [
        answer(message, history),
        gr.Code(language="python", value="print('hello')"),
        gr.ChatMessage(role="assistant", content={"path": str(notes)}),
    ]


demo = gr.ChatInterface(respond, **MESSAGES)
