"""One page, two chats, each with a name for the API."""

import gradio as gr
from words import turn, write


def general(message, history):
    for text in write(message, history, chat="general"):
        yield "", history + turn(message, text)


def coder(message, history):
    for text in write(message, history, chat="coder"):
        yield "", history + turn(message, text)


with gr.Blocks() as demo:
    with gr.Tab("Qwen2.5"):
        chatbot = gr.Chatbot()
        message = gr.Textbox()
        message.submit(general, [message, chatbot], [message, chatbot], api_name="general")
    with gr.Tab("Qwen2.5-Coder"):
        code_chatbot = gr.Chatbot()
        code_message = gr.Textbox()
        code_message.submit(
            coder, [code_message, code_chatbot], [code_message, code_chatbot], api_name="coder"
        )
