"""A `gr.ChatInterface` in one tab, text to text in two others."""

import gradio as gr
from words import write


def respond(message, history):
    yield from write(message, history)


def translate(text):
    return text.upper()


demo = gr.TabbedInterface(
    [
        gr.Interface(translate, "text", "text"),
        gr.Interface(len, "text", "number"),
        gr.ChatInterface(respond),
    ],
    ["Translate", "Count", "Chat"],
)
