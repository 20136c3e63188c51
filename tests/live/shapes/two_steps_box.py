"""Two steps, of which the second reads the box itself and empties it."""

import gradio as gr
from words import split, turn, write


def show(message, history):
    return history + turn(message)


def bot(message, history):
    query, earlier = split(history)
    for text in write(query, earlier, box=message):
        yield "", earlier + turn(query, text)


with gr.Blocks() as demo:
    chatbot = gr.Chatbot()
    msg = gr.Textbox()

    msg.submit(show, [msg, chatbot], chatbot).then(bot, [msg, chatbot], [msg, chatbot])
