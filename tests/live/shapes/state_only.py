"""The chatbot only shows; what the model sees is in a state."""

import gradio as gr
from words import turn, write


def chat(message, history):
    history = history or []
    for text in write(message, history):
        yield history + turn(message, text), history + turn(message, text)


with gr.Blocks() as demo:
    chatbot = gr.Chatbot()
    message = gr.Textbox(placeholder="Type a message")
    state = gr.State()
    message.submit(chat, [message, state], [chatbot, state])
    message.submit(lambda: "", None, message)
