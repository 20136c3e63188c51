"""The chain of Gradio's guides with messages, where Gradio still had pairs."""

import gradio as gr
from words import MESSAGES, flat, write


def user(message, history):
    return "", history + [{"role": "user", "content": message}]


def bot(history):
    query = flat(history[-1])[0]
    earlier = history[:-1]
    for text in write(query, earlier):
        yield history + [{"role": "assistant", "content": text}]


with gr.Blocks() as demo:
    chatbot = gr.Chatbot(**MESSAGES)
    msg = gr.Textbox()
    clear = gr.Button("Clear")

    msg.submit(user, [msg, chatbot], [msg, chatbot], queue=False).then(bot, chatbot, chatbot)
    clear.click(lambda: None, None, chatbot, queue=False)
