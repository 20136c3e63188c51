"""The Gradio app: the page and the functions of the public Space, answered by a local model."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ..sizes import CHAT_SIZES, CODER_SIZES, MATH_SIZES, SIZES
from .errors import LocalSpaceError
from .model import LONGEST_ANSWER, Model

#: The public Space's system prompt.
DEFAULT_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
#: The same without the sentence that is true of Qwen only.
NEUTRAL_SYSTEM = "You are a helpful assistant."

#: Requests that can wait; for one more the queue is full.
LONGEST_QUEUE = 32

History = List[Dict[str, Any]]


def build(model: Model) -> Any:
    """Build the `gradio.Blocks` of a Space that `model` answers.

    The order of the components gives their ids, and that of the functions their `fn_index`. Both
    are those of the public Space, so the order here must not change.
    """
    import gradio as gr

    def keep(chosen: Optional[str], *others: Optional[str]) -> Sequence[Any]:
        """Take the size of one row and clear the others; that change of theirs is then ignored."""
        if chosen is None:
            return [gr.skip()] * 3
        return chosen, None, None

    def model_chat(
        query: str, history: History, system: str, size: str
    ) -> Iterator[Tuple[str, History, str]]:
        # One model answers whatever size is chosen, as the page says.
        turns = [*(history or []), _turn("user", query or "")]
        text = ""
        try:
            with contextlib.closing(model.answer(conversation(turns, system, model))) as pieces:
                for piece in pieces:
                    text += piece
                    yield "", [*turns, _turn("assistant", text)], system
            if not text:
                yield "", [*turns, _turn("assistant", "")], system
        except LocalSpaceError as error:
            raise gr.Error(str(error), print_exception=False) from error

    name = model.gguf.name
    with gr.Blocks(title=f"{name} in a local Space", analytics_enabled=False) as blocks:
        gr.Markdown(_who_answers(model))
        with gr.Row():
            with gr.Row():
                chat = gr.Radio(CHAT_SIZES, value=CHAT_SIZES[0], label="Qwen2.5：")
            with gr.Row():
                math = gr.Radio(MATH_SIZES, label="Qwen2.5-Math：")
            with gr.Row():
                coder = gr.Radio(CODER_SIZES, label="Qwen2.5-Coder：")
        size = gr.Radio(SIZES, value=CHAT_SIZES[0], visible=False)
        with gr.Row():
            with gr.Accordion():
                gr.Markdown(f"Answers: **{model.gguf.description}**")
                with gr.Row():
                    with gr.Column(scale=3):
                        shown_system = gr.Textbox(DEFAULT_SYSTEM, lines=1, label="System")
                    with gr.Column(scale=1):
                        set_system = gr.Button("Set system prompt", scale=2)
                    system = gr.Textbox(DEFAULT_SYSTEM, visible=False)
                chatbot = gr.Chatbot(label=name, buttons=["copy", "copy_all"])
                query = gr.Textbox(lines=1, label="Input")
                with gr.Row():
                    clear = gr.Button("Clear")
                    send = gr.Button("Send")

        chat.change(keep, [chat, math, coder], [size, math, coder])
        math.change(keep, [math, chat, coder], [size, chat, coder])
        coder.change(keep, [coder, chat, math], [size, chat, math])
        asking: Dict[str, Any] = {
            "fn": model_chat,
            "inputs": [query, chatbot, system, size],
            "outputs": [query, chatbot, shown_system],
        }
        query.submit(**asking)
        send.click(**asking)
        clear.click(lambda: ("", []), None, [query, chatbot])
        set_system.click(
            lambda text: (text or DEFAULT_SYSTEM, text or DEFAULT_SYSTEM, []),
            [shown_system],
            [system, shown_system, chatbot],
        )
    blocks.queue(max_size=LONGEST_QUEUE)
    return blocks


def conversation(turns: History, system: str, model: Model) -> List[Dict[str, str]]:
    """Make the messages for the model: the system prompt, then the turns as plain text.

    Of the default system prompt, a model that is not Qwen gets the second sentence only: the first
    says that it is Qwen. Another system prompt goes to every model unchanged.
    """
    system = system or DEFAULT_SYSTEM
    if system == DEFAULT_SYSTEM and not model.gguf.is_qwen:
        system = NEUTRAL_SYSTEM
    return [
        {"role": "system", "content": system},
        *({"role": turn["role"], "content": _plain(turn["content"])} for turn in turns),
    ]


def _turn(role: str, text: str) -> Dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def _plain(content: Any) -> str:
    """The text of a turn: in Gradio 6 a list of parts, of which files are left out."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part.get("type") == "text")


def _who_answers(model: Model) -> str:
    name = model.gguf.name
    lines = [
        f"# {name} answers here",
        f"This is a local Space with the functions of the public one of Qwen2.5. **{name}** "
        f"answers, whatever size is chosen, in at most {LONGEST_ANSWER} tokens.",
    ]
    if model.gguf.stand_in:
        lines.append(
            "It is a small stand-in of 135 million parameters and **not Qwen**: it is often wrong."
        )
    if not model.gguf.is_qwen:
        lines.append(
            f"It gets only the second sentence of the default system prompt, "
            f"“{NEUTRAL_SYSTEM}”, because Alibaba Cloud did not create it."
        )
    return "\n\n".join(lines)
