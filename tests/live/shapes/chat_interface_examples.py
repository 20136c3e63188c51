"""A `gr.ChatInterface` with examples and an additional input."""

import gradio as gr
from words import write


def respond(message, history, system_prompt):
    yield from write(message, history, system=system_prompt)


demo = gr.ChatInterface(
    respond,
    additional_inputs=[gr.Textbox("Be kind.", label="System prompt")],
    examples=[["Hello!", "Be kind."], ["What is 2 + 2?", "Be exact."]],
    cache_examples=False,
)
