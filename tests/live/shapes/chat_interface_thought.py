"""A reasoning model in a `gr.ChatInterface`: a thought that grows, then the answer."""

import gradio as gr
from words import MESSAGES, write


def think(text, status="pending"):
    metadata = {"title": "Thinking", "id": 0, "status": status}
    return gr.ChatMessage(role="assistant", content=text, metadata=metadata)


def respond(message, history):
    for text in ["", "The user says", "The user says something.", "The user says. I echo."]:
        yield think(text)
    for text in write(message, history):
        yield [
            think("The user says. I echo.", "done"),
            gr.ChatMessage(role="assistant", content=text),
        ]


demo = gr.ChatInterface(respond, **MESSAGES)
