"""The chain of Gradio's guides: a step that shows the query, then one that answers."""

import gradio as gr
from words import split, turn, write


def user(message, history):
    return "", history + turn(message)


def bot(history):
    query, earlier = split(history)
    for text in write(query, earlier):
        yield earlier + turn(query, text)


with gr.Blocks() as demo:
    chatbot = gr.Chatbot()
    msg = gr.Textbox()
    clear = gr.Button("Clear")

    msg.submit(user, [msg, chatbot], [msg, chatbot], queue=False).then(bot, chatbot, chatbot)
    clear.click(lambda: None, None, chatbot, queue=False)
