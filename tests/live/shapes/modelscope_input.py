"""The multimodal box and chatbot of modelscope_studio 0.5, as older Qwen-Agent pages had them."""

import gradio as gr
from modelscope_studio.components.Chatbot import ModelScopeChatbot
from modelscope_studio.components.MultimodalInput import ModelScopeMultimodalInput
from words import flat, write


def add_text(message, chatbot, history):
    history.append({"role": "user", "content": message.text})
    chatbot.append([{"text": message.text, "files": []}, None])
    return gr.update(interactive=False, value=None), chatbot, history


def agent_run(chatbot, history):
    query = history[-1]["content"]
    text = ""
    for text in write(query, flat(history[:-1])):
        chatbot[-1][1] = {"text": text}
        yield chatbot, history
    history.append({"role": "assistant", "content": text})
    yield chatbot, history


with gr.Blocks() as demo:
    history = gr.State([])
    chatbot = ModelScopeChatbot(label="Qwen2-72B")
    box = ModelScopeMultimodalInput(placeholder="Chat with Qwen2")
    box.submit(add_text, [box, chatbot, history], [box, chatbot, history], queue=False).then(
        agent_run, [chatbot, history], [chatbot, history]
    ).then(lambda: gr.update(interactive=True), None, [box])
