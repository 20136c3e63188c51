"""Wired as Qwen3-Demo: a sender and a form of modelscope_studio, all memory in the session."""

import uuid

import gradio as gr
import modelscope_studio.components.antd as antd
import modelscope_studio.components.antdx as antdx
import modelscope_studio.components.base as ms
import modelscope_studio.components.pro as pro
from words import write

MODELS = ["qwen3-235b-a22b", "qwen3-32b", "qwen3-0.6b"]
SETTINGS = {"model": MODELS[0], "sys_prompt": "", "thinking_budget": 38}


def said(history, query, thought, text, status):
    """The chatbot's messages: an answer has the thinking as a tool's part, then the text."""
    parts = [{"type": "tool", "content": thought, "options": {"title": "Thinking"}}]
    if text:
        parts.append({"type": "text", "content": text})
    return history + [
        {"role": "user", "content": query, "key": "user"},
        {"role": "assistant", "content": parts, "key": "answer", "status": status},
    ]


def add_message(query, settings, thinking, conversations):
    if not conversations["id"]:
        conversations["id"] = uuid.uuid4().hex
    history = conversations["history"]
    yield {
        sender: gr.update(value=None, loading=True),
        clear: gr.update(disabled=True),
        listed: gr.update(items=[{"label": query, "key": "conversation"}]),
        chatbot: gr.update(value=said(history, query, "", "", "pending")),
        state: gr.update(value=conversations),
    }
    thought = ""
    if thinking["enable_thinking"]:
        for thought in ["The user says", "The user says something."]:
            yield {chatbot: gr.update(value=said(history, query, thought, "", "pending"))}
    text = ""
    earlier = [message for message in history if message["role"] == "user"]
    for text in write(query, earlier, model=settings["model"], system=settings["sys_prompt"]):
        yield {chatbot: gr.update(value=said(history, query, thought, text, "pending"))}
    conversations["history"] = said(history, query, thought, text, "done")
    yield {
        sender: gr.update(loading=False),
        clear: gr.update(disabled=False),
        chatbot: gr.update(value=conversations["history"]),
        state: gr.update(value=conversations),
    }


def clear_history(conversations):
    conversations.update(id="", history=[])
    return None, conversations


with gr.Blocks() as demo:
    state = gr.State({"id": "", "history": []})
    thinking_state = gr.State({"enable_thinking": True})
    with ms.Application(), antdx.XProvider(), ms.AutoLoading():
        with antd.Row():
            with antd.Col():
                add = antd.Button("New conversation")
                listed = antdx.Conversations(items=[])
            with antd.Col():
                chatbot = pro.Chatbot()
                with antd.Form(value=SETTINGS) as settings:
                    with antd.Form.Item(form_name="model", label="Model"):
                        antd.Select(options=[{"value": name} for name in MODELS])
                    with antd.Form.Item(form_name="sys_prompt", label="System Prompt"):
                        antd.Input.Textarea()
                    with antd.Form.Item(form_name="thinking_budget", label="Thinking budget"):
                        antd.Slider(min=1, max=38)
                with antdx.Sender(placeholder="How can I help?") as sender:
                    with ms.Slot("prefix"):
                        clear = antd.Button("Clear")
    with antd.Menu(visible=False):
        delete = antd.Menu.Item(label="Delete", key="delete")

    sender.submit(
        add_message,
        inputs=[sender, settings, thinking_state, state],
        outputs=[sender, clear, delete, add, listed, chatbot, state],
    )
    clear.click(clear_history, inputs=[state], outputs=[chatbot, state])
