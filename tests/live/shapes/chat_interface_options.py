"""A `gr.ChatInterface` that offers answers to choose from below its own."""

import gradio as gr
from words import MESSAGES, answer


def respond(message, history):
    return gr.ChatMessage(
        role="assistant",
        content=answer(message, history),
        options=[{"value": "Yes, that's correct.", "label": "Yes"}, {"value": "No"}],
    )


demo = gr.ChatInterface(respond, api_name="chat", **MESSAGES)
