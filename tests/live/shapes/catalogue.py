"""The shapes of this folder, and the Gradio versions that have them."""

from __future__ import annotations

from collections import namedtuple
from importlib.util import find_spec

#: `since` is the first version that runs the app, `before` the first that no longer does.
#: `start` is what a user of the page does: (type of the component, its label or value, event).
#: `text` is the type of the component that shows the answer.
#: `api` marks a `gr.ChatInterface`: it has a function that other programs can call.
#: `needs` is a package beside Gradio.
Shape = namedtuple("Shape", "since before start text api needs")


def shape(
    since=(4, 0), before=(99,), start=("textbox", None, "submit"), text="chatbot", needs="gradio"
):
    return Shape(since, before, start, text, False, needs)


def chat_interface(since=(4, 0), before=(99,), start=("api", None, "submit")):
    return Shape(since, before, start, "chatbot", True, "gradio")


MULTIMODAL = ("multimodaltextbox", None, "submit")

SHAPES = {
    "one_step": shape(start=("textbox", "Input", "submit")),
    "one_step_state": shape(start=("button", "🚀 Submit (发送)", "click")),
    "state_only": shape(),
    "two_steps": shape(),
    "two_steps_messages": shape((4, 44), (6,)),
    "two_steps_plain": shape(),
    "two_steps_options": shape(start=("textbox", "Your message", "submit")),
    "two_steps_multimodal": shape((4, 29), start=MULTIMODAL),
    "three_steps": shape(),
    "qwen_agent": shape((4, 29), start=MULTIMODAL),
    "ms_swift": shape(start=("textbox", "Input", "submit")),
    "system_first": shape(start=("textbox", "Message", "submit")),
    "two_chats": shape(),
    "blocks_thought": shape((4, 44)),
    "login": chat_interface(),
    "modelscope_input": shape(
        (4, 44),
        (5,),
        ("modelscopemultimodalinput", None, "submit"),
        "modelscopechatbot",
        "modelscope_studio",
    ),
    "modelscope_pro_input": shape(
        (5, 50),
        start=("modelscopepromultimodalinput", None, "submit"),
        text="modelscopeprochatbot",
        needs="modelscope_studio",
    ),
    "qwen3_demo": shape(
        (5, 50),
        start=("antdxsender", None, "submit"),
        text="modelscopeprochatbot",
        needs="modelscope_studio",
    ),
    "image_only": shape(start=None),
    "interface": shape(start=("textbox", "Prompt", "submit"), text="textbox"),
    "interface_plain": shape(start=("textbox", "Prompt", "submit"), text="textbox"),
    "artifacts": shape(start=("button", "send", "click"), text="markdown"),
    "chat_interface": chat_interface(),
    "chat_interface_plain": chat_interface(),
    "chat_interface_inputs": chat_interface(),
    "chat_interface_model": chat_interface(),
    "chat_interface_multimodal": chat_interface((4, 29), start=MULTIMODAL),
    "chat_interface_examples": chat_interface(),
    "chat_interface_save_history": chat_interface((5, 20)),
    "chat_interface_messages": chat_interface((4, 44), (6,)),
    "chat_interface_in_blocks": chat_interface(),
    "chat_interface_tabs": chat_interface(),
    "chat_interface_message": chat_interface((4, 44)),
    "chat_interface_list": chat_interface((5, 20)),
    "chat_interface_thought": chat_interface((5, 20)),
    "chat_interface_file": chat_interface((5, 20)),
    "chat_interface_outputs": chat_interface((5, 9)),
}


def shapes_of(version):
    """The names of the shapes that run here with a Gradio version, such as `(4, 44)`."""
    return [
        name
        for name, it in SHAPES.items()
        if it.since <= version < it.before and find_spec(it.needs)
    ]
