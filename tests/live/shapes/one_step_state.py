"""Wired as QwenLM's own web demo: buttons only, and a state that keeps the history."""

import gradio as gr
from words import turn, write


def predict(query, chatbot, task_history):
    text = ""
    for text in write(query, task_history):
        yield chatbot + turn(query, text)
    task_history.append((query, text))


def regenerate(chatbot, task_history):
    if not task_history:
        yield chatbot
        return
    query, _ = task_history.pop()
    yield from predict(query, chatbot[:-1], task_history)


def reset_user_input():
    return gr.update(value="")


def reset_state(chatbot, task_history):
    task_history.clear()
    return []


with gr.Blocks() as demo:
    gr.Markdown("<center><font size=8>Qwen2.5 Chat</center>")
    chatbot = gr.Chatbot(label="Qwen2.5")
    query = gr.Textbox(lines=2, label="Input")
    task_history = gr.State([])
    with gr.Row():
        empty_btn = gr.Button("🧹 Clear History (清除历史)")
        submit_btn = gr.Button("🚀 Submit (发送)")
        regen_btn = gr.Button("🤔️ Regenerate (重试)")

    submit_btn.click(predict, [query, chatbot, task_history], [chatbot], show_progress=True)
    submit_btn.click(reset_user_input, [], [query])
    empty_btn.click(reset_state, [chatbot, task_history], outputs=[chatbot], show_progress=True)
    regen_btn.click(regenerate, [chatbot, task_history], [chatbot], show_progress=True)
