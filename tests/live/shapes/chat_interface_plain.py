"""A `gr.ChatInterface` whose function returns the answer at once."""

import gradio as gr
from words import answer


def echo(message, history):
    return answer(message, history)


demo = gr.ChatInterface(fn=echo, title="Echo Bot")
