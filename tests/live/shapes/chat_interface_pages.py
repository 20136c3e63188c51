"""An app of two pages: the chat is on the second one."""

import gradio as gr
from words import MESSAGES, write


def respond(message, history):
    yield from write(message, history)


with gr.Blocks() as demo:
    name = gr.Textbox(label="Name")
    greeting = gr.Textbox(label="Greeting")
    name.submit(lambda name: "Hello " + name, name, greeting)

with demo.route("Chat", "/chat"):
    gr.ChatInterface(respond, **MESSAGES)
