"""The multimodal box and the chatbot that modelscope_studio has since 1.0."""

import gradio as gr
import modelscope_studio.components.base as ms
import modelscope_studio.components.pro as pro
from words import flat, write


def submit(message, history):
    history = history or []
    earlier = [text for turn in history for text in flat(turn["content"])]
    asked = history + [{"role": "user", "content": message["text"]}]
    yield gr.update(value=None, loading=True), gr.update(value=asked)
    for text in write(message["text"], earlier):
        said = asked + [{"role": "assistant", "content": text, "loading": False}]
        yield gr.update(loading=True), gr.update(value=said)
    yield gr.update(loading=False), gr.update(value=said)


with gr.Blocks() as demo:
    with ms.Application():
        chatbot = pro.Chatbot()
        box = pro.MultimodalInput(placeholder="Type here")
    box.submit(submit, inputs=[box, chatbot], outputs=[box, chatbot])
