"""A `gr.ChatInterface` that answers with a message, first as a dict and then as an object."""

import gradio as gr
from words import MESSAGES, write


def respond(message, history):
    for text in write(message, history):
        yield {"role": "assistant", "content": text}


demo = gr.ChatInterface(respond, **MESSAGES)
