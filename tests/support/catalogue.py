"""The apps of `shapes/`, and the Gradio versions that have them."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from typing import NamedTuple, Optional

import pytest
from walks import FOLDER


class Shape(NamedTuple):
    """An app of `shapes/`."""

    #: The first Gradio that runs it, and the first that no longer does.
    since: tuple = (4, 0)
    before: tuple = (99,)
    #: What a user of the page does: (type of the component, its label or value, event).
    #: The type `api` stands for the box of a `gr.ChatInterface`; None: there is nothing to ask.
    start: Optional[tuple] = ("textbox", None, "submit")
    #: The type of the component that shows the answer.
    text: str = "chatbot"
    #: Whether it has a `gr.ChatInterface`, and so a function for other programs.
    api: bool = False
    #: A package beside Gradio.
    needs: str = "gradio"
    #: The user and the password of its login.
    auth: Optional[tuple] = None


def chat_interface(since=(4, 0), before=(99,), start=("api", None, "submit"), auth=None):
    return Shape(since, before, start, api=True, auth=auth)


MULTIMODAL = ("multimodaltextbox", None, "submit")

SHAPES = {
    "one_step": Shape(start=("textbox", "Input", "submit")),
    "one_step_state": Shape(start=("button", "🚀 Submit (发送)", "click")),
    "state_only": Shape(),
    "two_steps": Shape(),
    "two_steps_messages": Shape((4, 44), (6,)),
    "two_steps_plain": Shape(),
    "two_steps_options": Shape(start=("textbox", "Your message", "submit")),
    "two_steps_multimodal": Shape((4, 29), start=MULTIMODAL),
    "three_steps": Shape(),
    "qwen_agent": Shape((4, 29), start=MULTIMODAL),
    "ms_swift": Shape(start=("textbox", "Input", "submit")),
    "system_first": Shape(start=("textbox", "Message", "submit")),
    "two_chats": Shape(),
    "blocks_thought": Shape((4, 44)),
    "login": chat_interface(auth=("user", "pass word")),
    "modelscope_input": Shape(
        (4, 44),
        (5,),
        ("modelscopemultimodalinput", None, "submit"),
        "modelscopechatbot",
        needs="modelscope_studio",
    ),
    "modelscope_pro_input": Shape(
        (5, 50),
        start=("modelscopepromultimodalinput", None, "submit"),
        text="modelscopeprochatbot",
        needs="modelscope_studio",
    ),
    "qwen3_demo": Shape(
        (5, 50),
        start=("antdxsender", None, "submit"),
        text="modelscopeprochatbot",
        needs="modelscope_studio",
    ),
    "greeting": Shape(),
    "two_steps_box": Shape(),
    "retry_undo": Shape((5, 9), start=("textbox", "Chat Message", "submit")),
    "image_only": Shape(start=None),
    "buttons_only": Shape((4, 44), start=None),
    "rendered": Shape((5, 9), start=None),
    "interface": Shape(start=("textbox", "Prompt", "submit"), text="textbox"),
    "interface_plain": Shape(start=("textbox", "Prompt", "submit"), text="textbox"),
    "artifacts": Shape(start=("button", "send", "click"), text="markdown"),
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
    "chat_interface_options": chat_interface((5, 20)),
    "chat_interface_prefill": chat_interface((5, 20)),
    "chat_interface_tags": chat_interface((6, 0)),
    "chat_interface_validator": chat_interface((5, 50)),
    "chat_interface_pages": chat_interface((5, 20)),
    "chat_interface_outputs": chat_interface((5, 9)),
}


def shapes_of(version):
    """The names of the shapes that run here with a Gradio version, such as `(4, 44)`."""
    return [
        name
        for name, it in SHAPES.items()
        if it.since <= version < it.before and find_spec(it.needs)
    ]


def recorded_shapes():
    """The shapes that the installed Gradio has been recorded with, and that can be asked."""
    try:
        installed = version("gradio")
    except ModuleNotFoundError:
        return []
    names = shapes_of(tuple(map(int, installed.split(".")[:2])))
    paths = [FOLDER / installed / f"{name}.json" for name in names if SHAPES[name].start]
    return [pytest.param(path, id=path.stem) for path in paths if path.exists()]
