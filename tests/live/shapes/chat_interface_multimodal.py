"""A `gr.ChatInterface` whose box takes files too."""

import gradio as gr
from words import write


def respond(message, history):
    yield from write(message["text"], history, files=len(message["files"]))


demo = gr.ChatInterface(respond, multimodal=True)
