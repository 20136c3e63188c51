"""A chat that is made while the page is shown, so that the config does not have it."""

import gradio as gr
from words import MESSAGES, write


def chat(message, history):
    said = history + [{"role": "user", "content": message}]
    for text in write(message, history):
        yield "", said + [{"role": "assistant", "content": text}]


with gr.Blocks() as demo:
    count = gr.Slider(1, 3, value=1, step=1, label="Chats")

    @gr.render(inputs=count)
    def show(count):
        for _ in range(count):
            chatbot = gr.Chatbot(**MESSAGES)
            message = gr.Textbox()
            message.submit(chat, [message, chatbot], [message, chatbot])
