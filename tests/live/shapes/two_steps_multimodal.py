"""Gradio's guide to multimodal chats: the box is emptied and locked by the first of three steps."""

import gradio as gr
from words import split, turn, write


def add_message(history, message):
    for path in message["files"]:
        history += turn((path,))
    if message["text"] is not None:
        history += turn(message["text"])
    return history, gr.MultimodalTextbox(value=None, interactive=False)


def bot(history):
    query, earlier = split(history)
    for text in write(query, earlier):
        yield earlier + turn(query, text)


with gr.Blocks() as demo:
    chatbot = gr.Chatbot(elem_id="chatbot")
    chat_input = gr.MultimodalTextbox(
        interactive=True, placeholder="Enter message or upload file...", show_label=False
    )
    chat_msg = chat_input.submit(add_message, [chatbot, chat_input], [chatbot, chat_input])
    bot_msg = chat_msg.then(bot, chatbot, chatbot, api_name="bot_response")
    bot_msg.then(lambda: gr.MultimodalTextbox(interactive=True), None, [chat_input])
