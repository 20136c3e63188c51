"""A chain of three: show the query, answer, enable the box and the button again."""

import gradio as gr
from words import split, turn, write


def user(message, history):
    return gr.update(value="", interactive=False), history + turn(message), gr.update(visible=False)


def bot(history):
    query, earlier = split(history)
    for text in write(query, earlier):
        yield earlier + turn(query, text)


def ready():
    return gr.update(interactive=True), gr.update(visible=True)


with gr.Blocks() as demo:
    chatbot = gr.Chatbot()
    with gr.Row():
        msg = gr.Textbox(show_label=False, scale=4)
        send = gr.Button("Send", scale=1)

    msg.submit(user, [msg, chatbot], [msg, chatbot, send], queue=False).then(
        bot, chatbot, chatbot
    ).then(ready, None, [msg, send], queue=False)
    send.click(user, [msg, chatbot], [msg, chatbot, send], queue=False).then(
        bot, chatbot, chatbot
    ).then(ready, None, [msg, send], queue=False)
