"""A `gr.ChatInterface` whose conversation another component replaces."""

import gradio as gr
from words import MESSAGES, write

GREETING = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]


def respond(message, history):
    yield from write(message, history)


def prefill(choice):
    return GREETING if choice == "Greeting" else []


with gr.Blocks() as demo:
    radio = gr.Radio(["Greeting", "Blank"], label="Begin with")
    chat = gr.ChatInterface(respond, **MESSAGES)
    radio.change(prefill, radio, chat.chatbot_value)
