"""A model that thinks between tags, which the chatbot shows as thoughts."""

import gradio as gr
from words import write


def respond(message, history):
    thought = "<think>\nThe user says something.\n</think>\n\n"
    asked = [said for said in history if said["role"] == "user"]
    for text in write(message, asked):
        yield thought + text


demo = gr.ChatInterface(respond, chatbot=gr.Chatbot(reasoning_tags=[("<think>", "</think>")]))
