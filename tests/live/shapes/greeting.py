"""The chatbot greets before it is asked: its value is not empty from the start."""

import gradio as gr
from words import PAIRS, turn, write

HELLO = "Hello! How can I help you?"


def chat(message, history):
    for text in write(message, history):
        yield "", history + turn(message, text)


with gr.Blocks() as demo:
    chatbot = gr.Chatbot([[None, HELLO]] if PAIRS else [{"role": "assistant", "content": HELLO}])
    message = gr.Textbox(label="Message")
    message.submit(chat, [message, chatbot], [message, chatbot])
