"""A `gr.ChatInterface` inside a page that has boxes and buttons of its own."""

import gradio as gr
from words import write


def respond(message, history, size):
    yield from write(message, history, size=size)


with gr.Blocks() as demo:
    gr.Markdown("# Qwen2.5 for everyone")
    name = gr.Textbox(label="Your name")
    greeting = gr.Textbox(label="Greeting")
    name.submit(lambda name: "Hello " + name, name, greeting)
    size = gr.Radio(["0.5B", "7B", "72B"], value="7B", label="Model")
    gr.ChatInterface(respond, additional_inputs=[size])
