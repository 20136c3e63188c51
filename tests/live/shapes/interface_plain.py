"""A `gr.Interface` from a text, a system prompt and a number to text, all at once."""

import gradio as gr
from words import answer


def generate(system, prompt, max_tokens):
    return answer(prompt, system=system, max_tokens=max_tokens)


demo = gr.Interface(
    generate,
    [
        gr.Textbox("Be brief.", label="System prompt"),
        gr.Textbox(label="Prompt", lines=3),
        gr.Slider(1, 512, value=128, step=1, label="Max tokens"),
    ],
    "text",
)
