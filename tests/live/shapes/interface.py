"""A `gr.Interface` from text to text that streams."""

import gradio as gr
from words import write


def generate(prompt):
    yield from write(prompt)


demo = gr.Interface(generate, gr.Textbox(label="Prompt"), gr.Textbox(label="Answer"))
