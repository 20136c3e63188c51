"""Qwen2-72B-Instruct's wiring: one function does it all, the system prompt is an input."""

import gradio as gr
from words import turn, write

SYSTEM = "You are a helpful assistant."


def model_chat(query, history, system):
    history = history or []
    for text in write(query or "", history, system=system):
        yield "", history + turn(query, text), system


def clear_session():
    return "", []


def modify_system_session(system):
    return system, system, []


with gr.Blocks() as demo:
    gr.Markdown("<center>Qwen2-72B-instruct Chatbot</center>")
    with gr.Row():
        with gr.Column(scale=3):
            system_input = gr.Textbox(value=SYSTEM, lines=1, label="System")
        with gr.Column(scale=1):
            modify_system = gr.Button("Set system prompt and clear history", scale=2)
        system_state = gr.Textbox(value=SYSTEM, visible=False)
    chatbot = gr.Chatbot(label="Qwen2-72B-instruct")
    textbox = gr.Textbox(lines=1, label="Input")
    with gr.Row():
        clear_history = gr.Button("Clear history")
        submit = gr.Button("Send")

    textbox.submit(
        model_chat,
        inputs=[textbox, chatbot, system_state],
        outputs=[textbox, chatbot, system_input],
    )
    submit.click(
        model_chat,
        inputs=[textbox, chatbot, system_state],
        outputs=[textbox, chatbot, system_input],
        concurrency_limit=5,
    )
    clear_history.click(fn=clear_session, inputs=[], outputs=[textbox, chatbot])
    modify_system.click(
        fn=modify_system_session,
        inputs=[system_input],
        outputs=[system_state, system_input, chatbot],
    )
