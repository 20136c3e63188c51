"""Two steps, of which the second reads a system prompt, a size and a temperature."""

import gradio as gr
from words import split, turn, write


def user(message, history):
    return "", history + turn(message)


def bot(history, system, size, temperature):
    query, earlier = split(history)
    for text in write(query, earlier, system=system, size=size, temperature=temperature):
        yield earlier + turn(query, text)


with gr.Blocks() as demo:
    with gr.Row():
        system = gr.Textbox("You are helpful.", label="System prompt")
        size = gr.Radio(["7B", "14B", "72B"], value="7B", label="Model size")
        temperature = gr.Slider(0, 2, value=0.7, step=0.1, label="Temperature")
    chatbot = gr.Chatbot()
    msg = gr.Textbox(label="Your message")
    gr.ClearButton([msg, chatbot])

    msg.submit(user, [msg, chatbot], [msg, chatbot]).then(
        bot, [chatbot, system, size, temperature], chatbot
    )
