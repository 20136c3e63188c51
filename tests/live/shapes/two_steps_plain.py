"""Two steps, both plain functions: the answer comes whole."""

import gradio as gr
from words import answer, split, turn


def user(message, history):
    return gr.update(value="", interactive=False), history + turn(message)


def bot(history):
    query, earlier = split(history)
    return earlier + turn(query, answer(query, earlier))


with gr.Blocks() as demo:
    chatbot = gr.Chatbot()
    msg = gr.Textbox()

    response = msg.submit(user, [msg, chatbot], [msg, chatbot]).then(bot, chatbot, chatbot)
    response.then(lambda: gr.update(interactive=True), None, [msg])
