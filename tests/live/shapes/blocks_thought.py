"""Two steps in which the model thinks before it answers."""

import gradio as gr
from words import MESSAGES, flat, write


def user(message, history):
    return "", history + [{"role": "user", "content": message}]


def bot(history):
    query, earlier = flat(history[-1])[0], history[:-1]
    for text in ["The user says", "The user says something."]:
        thought = gr.ChatMessage(role="assistant", content=text, metadata={"title": "Thinking"})
        yield history + [thought]
    for text in write(query, earlier):
        yield history + [thought, gr.ChatMessage(role="assistant", content=text)]


with gr.Blocks() as demo:
    chatbot = gr.Chatbot(**MESSAGES)
    msg = gr.Textbox()
    msg.submit(user, [msg, chatbot], [msg, chatbot]).then(bot, chatbot, chatbot)
