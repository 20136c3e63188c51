"""A `gr.ChatInterface` with messages and a system prompt, where Gradio still had pairs."""

import gradio as gr
from words import write


def respond(message, history, system_prompt):
    yield from write(message, history, system=system_prompt)


demo = gr.ChatInterface(
    respond,
    type="messages",
    additional_inputs=[gr.Textbox("Be kind.", label="System prompt")],
)
