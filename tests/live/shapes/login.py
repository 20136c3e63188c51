"""A chat behind a login."""

import gradio as gr
from words import write


def respond(message, history):
    yield from write(message, history)


auth = ("user", "pass word")
demo = gr.ChatInterface(respond)
