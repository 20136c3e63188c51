"""A chatbot that answers a button: there is no box to ask in."""

import gradio as gr
from words import MESSAGES, write


def weather(history):
    asked = history + [{"role": "user", "content": "How is the weather?"}]
    for text in write("How is the weather?", history):
        yield asked + [{"role": "assistant", "content": text}]


with gr.Blocks() as demo:
    chatbot = gr.Chatbot(**MESSAGES)
    button = gr.Button("Ask for the weather")
    button.click(weather, chatbot, chatbot)
