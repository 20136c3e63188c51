"""A `gr.ChatInterface` that answers with two messages, the second of which grows."""

import gradio as gr
from words import MESSAGES, write


def respond(message, history):
    first = gr.ChatMessage(role="assistant", content="Let me see.")
    yield [first]
    for text in write(message, history):
        yield [first, gr.ChatMessage(role="assistant", content=text)]


demo = gr.ChatInterface(respond, **MESSAGES)
