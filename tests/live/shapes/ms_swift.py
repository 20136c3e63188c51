"""Wired as ms-swift's app: chatbot, history and system prompt, the last two in states."""

import gradio as gr
from words import turn, write

SYSTEM = "You are a helpful assistant."


def add_text(chatbot, history, query):
    return chatbot + turn(query), history + [[query, None]], ""


def model_chat(chatbot, history, system):
    query = history[-1][0]
    for text in write(query, history[:-1], system=system):
        history[-1][1] = text
        yield chatbot[:-1] + turn(query, text), history


def clear_session():
    return [], []


def modify_system_session(system):
    return system or "", [], []


with gr.Blocks() as demo:
    gr.Markdown("<center><font size=8>Qwen2.5-7B-Instruct Bot</center>")
    with gr.Row():
        with gr.Column(scale=3):
            system_input = gr.Textbox(value=SYSTEM, lines=1, label="System")
        with gr.Column(scale=1):
            modify_system = gr.Button("🛠️ Set system and clear history", scale=2)
    chatbot = gr.Chatbot(label="Chatbot")
    textbox = gr.Textbox(lines=1, label="Input")
    with gr.Row():
        submit = gr.Button("🚀 Send")
        clear_history = gr.Button("🧹 Clear history")
    system_state = gr.State(value=SYSTEM)
    history_state = gr.State(value=[])

    asked = [chatbot, history_state, textbox], [chatbot, history_state, textbox]
    answered = [chatbot, history_state, system_state], [chatbot, history_state]
    textbox.submit(add_text, *asked).then(model_chat, *answered)
    submit.click(add_text, *asked).then(model_chat, *answered)
    clear_history.click(clear_session, [], [chatbot, history_state])
    modify_system.click(
        modify_system_session, [system_input], [system_state, chatbot, history_state]
    )
