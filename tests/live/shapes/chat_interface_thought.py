"""A reasoning model in a `gr.ChatInterface`: a thought that grows, then the answer."""

import gradio as gr
from words import MESSAGES, write


def respond(message, history):
    thought = gr.ChatMessage(
        role="assistant", content="", metadata={"title": "Thinking", "id": 0, "status": "pending"}
    )
    yield thought
    for text in ["The user says", "The user says something.", "The user says something. I echo."]:
        thought.content = text
        yield thought
    thought.metadata["status"] = "done"
    for text in write(message, history):
        yield [thought, gr.ChatMessage(role="assistant", content=text)]


demo = gr.ChatInterface(respond, **MESSAGES)
