"""Wired as Qwen-Agent's WebUI: a multimodal box, and a state that keeps the history."""

import gradio as gr
from words import turn, write


def add_text(message, chatbot, history):
    history.append({"role": "user", "content": message["text"]})
    return gr.update(interactive=False, value=None), chatbot + turn(message["text"]), history


def agent_run(chatbot, history):
    query = history[-1]["content"]
    text = ""
    for text in write(query, history[:-1]):
        yield chatbot[:-1] + turn(query, text), history
    history.append({"role": "assistant", "content": text})
    yield chatbot[:-1] + turn(query, text), history


def flushed():
    return gr.update(interactive=True)


with gr.Blocks() as demo:
    history = gr.State([])
    with gr.Row():
        with gr.Column(scale=4):
            chatbot = gr.Chatbot(label="Qwen2.5-Turbo-1M")
            box = gr.MultimodalTextbox(placeholder="Chat with Qwen2.5")
        with gr.Column(scale=1):
            gr.CheckboxGroup(label="Plugins", value=["retrieval"], choices=["retrieval"])

    shown = box.submit(add_text, [box, chatbot, history], [box, chatbot, history], queue=False)
    answered = shown.then(agent_run, [chatbot, history], [chatbot, history])
    answered.then(flushed, None, [box])
