"""A `gr.ChatInterface` with a choice of models, a system prompt and a check box."""

import gradio as gr
from words import write

MODELS = ["Qwen2.5-7B-Instruct", "Qwen2.5-14B-Instruct", "Qwen2.5-72B-Instruct"]


def chat(message, history, model, system_prompt, sample):
    yield from write(message, history, model=model, system=system_prompt, sample=sample)


demo = gr.ChatInterface(
    chat,
    additional_inputs=[
        gr.Dropdown(MODELS, value=MODELS[0], label="Model"),
        gr.Textbox("You are Qwen.", label="System Prompt", lines=3),
        gr.Checkbox(True, label="Sample"),
    ],
    additional_inputs_accordion=gr.Accordion(label="Options", open=False),
)
