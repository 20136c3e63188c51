"""The box for the system prompt comes first, and pressing Enter in it asks too."""

import gradio as gr
from words import turn, write


def chat(system_prompt, message, history):
    for text in write(message, history, system=system_prompt):
        yield "", history + turn(message, text)


with gr.Blocks() as demo:
    system_prompt = gr.Textbox("You are Qwen.", label="System Prompt")
    message = gr.Textbox(label="Message")
    chatbot = gr.Chatbot()
    gr.on(
        [system_prompt.submit, message.submit],
        chat,
        [system_prompt, message, chatbot],
        [message, chatbot],
    )
