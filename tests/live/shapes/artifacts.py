"""Text to Markdown by a button, as in Qwen2.5-Coder-Artifacts."""

import gradio as gr
from words import write

SYSTEM = "You are a web development engineer."


def generation_code(query, system):
    for text in write(query or "", system=system["text"]):
        yield text


with gr.Blocks() as demo:
    setting = gr.State({"text": SYSTEM})
    with gr.Row():
        with gr.Column():
            box = gr.Textbox(lines=5, label="Please enter what kind of application you want")
            button = gr.Button("send")
        with gr.Column():
            code = gr.Markdown()
    button.click(generation_code, inputs=[box, setting], outputs=[code])
