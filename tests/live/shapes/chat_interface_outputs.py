"""A `gr.ChatInterface` with an additional output beside the conversation."""

import gradio as gr
from words import MESSAGES, write

with gr.Blocks() as demo:
    code = gr.Code(render=False)

    def respond(message, history):
        for text in write(message, history):
            yield text, gr.Code(language="python", value="# " + text)

    with gr.Row():
        gr.ChatInterface(respond, additional_outputs=[code], api_name="chat", **MESSAGES)
        code.render()
