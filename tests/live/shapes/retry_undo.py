"""A system message in the chatbot itself; retry, undo and like listen to the chatbot."""

import gradio as gr
from words import MESSAGES, flat, write

SYSTEM = [{"role": "system", "content": "You are a friendly chatbot"}]


def respond(prompt, history):
    asked = (history or SYSTEM) + [{"role": "user", "content": prompt}]
    yield asked
    for text in write(prompt, asked[:-1]):
        yield asked + [{"role": "assistant", "content": text}]


def undo(history, data: gr.UndoData):
    return history[: data.index], flat(history[data.index])[0]


def retry(history, data: gr.RetryData):
    yield from respond(flat(history[data.index])[0], history[: data.index])


def like(data: gr.LikeData):
    print(data.liked)


with gr.Blocks() as demo:
    chatbot = gr.Chatbot(label="Agent", **MESSAGES)
    prompt = gr.Textbox(max_lines=1, label="Chat Message")
    prompt.submit(respond, [prompt, chatbot], [chatbot])
    prompt.submit(lambda: "", None, [prompt])
    chatbot.undo(undo, chatbot, [chatbot, prompt])
    chatbot.retry(retry, chatbot, [chatbot])
    chatbot.like(like, None, None)
