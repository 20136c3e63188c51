"""A `gr.ChatInterface` that keeps earlier conversations in the browser."""

import gradio as gr
from words import MESSAGES, write


def respond(message, history):
    yield from write(message, history)


demo = gr.ChatInterface(respond, save_history=True, **MESSAGES)
