"""The smallest `gr.ChatInterface`, with a generator."""

import gradio as gr
from words import write


def respond(message, history):
    yield from write(message, history)


demo = gr.ChatInterface(respond)
