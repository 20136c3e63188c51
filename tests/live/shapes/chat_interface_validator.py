"""A `gr.ChatInterface` that refuses some queries before they are queued."""

import gradio as gr
from words import MESSAGES, write


def respond(message, history):
    yield from write(message, history)


def validate(message):
    return gr.validate(message != "error", "That cannot be asked")


demo = gr.ChatInterface(respond, validator=validate, **MESSAGES)
