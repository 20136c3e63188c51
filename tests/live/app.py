"""A real Gradio app, wired like the public Space, whose answers are scripted by the prompt.

Runs unchanged on Gradio 4.10 to 6. It talks with the test that started it over pipes, so that no
test has to sleep; what it says on standard output, one line each:

    URL http://127.0.0.1:PORT   it takes requests
    WROTE i                     the writer is about to hand out piece i, counted from 0
    STOPPED                     a writer was closed before its end
    DONE                        a writer came to its end
    RESET                       the answer to `reset`

What it reads on standard input, one line each:

    go       lets one waiting writer (GATE, STEPS) take one step
    reset    ends the writers that earlier tests left behind and silences them

It ends when its standard input does, so that it never outlives the tests.

The prompts are the ones behind the recordings in tests/transcripts, `hello N` `FAIL` `RAISE`
`BREAK N` `NOTE N` `STEPS N` `SPLIT N` `REWRITE N` `EMPTY`, and three more: `GATE N` writes a
piece for each `go`, `FOREVER` one every 20 ms until it is closed, and `SKIP N` leaves the chatbot
as it is between its pieces. N is 2 when it is left out.
"""

from __future__ import annotations

import argparse
import inspect
import os
import socket
import sys
import threading
import time

os.environ.update(
    GRADIO_ANALYTICS_ENABLED="False",
    GRADIO_SSR_MODE="False",
    HF_HUB_OFFLINE="1",
    NO_PROXY="127.0.0.1,localhost",
)

import gradio as gr  # noqa: E402  it reads the settings above when it is imported

MAJOR = int(gr.__version__.split(".")[0])
SIZES = ["72B", "32B", "14B", "7B", "3B", "1.5B", "0.5B"]
MATH = ["Math-72B", "Math-7B", "Math-1.5B"]
CODER = ["Coder-7B", "Coder-1.5B"]
SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."


class Scene:
    """What one test sees: its own gate and its own voice, until the next test begins."""

    def __init__(self):
        self.steps = 0
        self.over = False
        self.changed = threading.Condition()

    def say(self, line):
        with self.changed:
            if not self.over:
                # One write a line: writers run in threads, and a line must not be torn.
                sys.stdout.write(line + "\n")
                sys.stdout.flush()

    def go(self):
        with self.changed:
            self.steps += 1
            self.changed.notify_all()

    def wait(self):
        with self.changed:
            self.changed.wait_for(lambda: self.steps or self.over)
            self.steps -= 1

    def end(self):
        with self.changed:
            self.over = True
            self.changed.notify_all()


scene = Scene()


def write(prompt, first, scene, progress):
    """Yield the answer so far, again and again, as the Space's own function does."""
    kind, _, count = prompt.partition(" ")
    count = int(count) if count.isdigit() else 2
    if kind == "FAIL":
        raise ValueError("the writer failed")
    if kind == "RAISE":
        raise gr.Error("the writer refused")
    if kind == "EMPTY":
        yield ""
        return
    if kind == "NOTE":
        gr.Info("a note")
        gr.Warning("a warning")
    if kind == "STEPS":
        for step in range(3):
            progress((step, 3), desc="warming up")
            # Gradio sends the newest progress now and then: the test says when it has this one.
            scene.wait()

    text, i = first, 0
    while not scene.over and (i < count or kind == "FOREVER"):
        if kind == "GATE":
            scene.wait()
        elif kind == "FOREVER":
            time.sleep(0.02)
        elif kind == "BREAK" and i == 3:
            raise ValueError("the writer broke")
        elif kind == "SPLIT" and i % 3 == 2:
            yield text + "\ufffd"
        elif kind == "REWRITE" and i == count // 2:
            text = "Rewritten: "
        elif kind == "SKIP":
            yield None
        text += "слово{} 你好 ".format(i)
        scene.say("WROTE {}".format(i))
        yield text
        i += 1


def model_chat(query, history, system, size, progress=gr.Progress()):
    here = scene
    turns = len(history) // (2 if options.chatbot == "messages" else 1)
    first = "[{}|turns={}|{}] ".format(size, turns, system)
    try:
        for text in write(query, first, here, progress):
            if text is None:
                yield "", gr.update(), system
                continue
            if options.chatbot == "messages":
                turn = [{"role": "user", "content": query}, {"role": "assistant", "content": text}]
            else:
                turn = [[query, text]]
            yield "", history + turn, system
    except GeneratorExit:
        here.say("STOPPED")
        raise
    here.say("DONE")


def keep(chosen, *others):
    return (chosen,) + (None,) * len(others)


def make_chatbot():
    if options.chatbot == "modelscope":
        from modelscope_studio.components.Chatbot import ModelScopeChatbot

        return ModelScopeChatbot(label="72b")
    # Before 4.4x there were only tuples to choose from, since 6 there are only messages.
    typed = "type" in inspect.signature(gr.Chatbot).parameters
    return gr.Chatbot(label="72b", **({"type": options.chatbot} if typed else {}))


def build():
    """The components in the order of the public Space, for the order gives them their ids."""
    with gr.Blocks() as demo:
        gr.Markdown("Qwen2.5 test Space")
        with gr.Row():
            with gr.Row():
                general = gr.Radio(SIZES, value="72B", label="Qwen2.5：")
            with gr.Row():
                math = gr.Radio(MATH, label="Qwen2.5-Math：")
            with gr.Row():
                coder = gr.Radio(CODER, label="Qwen2.5-Coder：")
        # The public Space leaves these choices empty; Gradio 5 would then refuse every size.
        choices = [] if options.chatbot == "modelscope" else SIZES + MATH + CODER
        size = gr.Radio(choices, value="72B", visible=False)
        with gr.Row():
            with gr.Accordion():
                gr.Markdown("72B")
                with gr.Row():
                    with gr.Column(scale=3):
                        shown_system = gr.Textbox(value=SYSTEM, label="System")
                    with gr.Column(scale=1):
                        set_system = gr.Button("Set system prompt", scale=2)
                    system = gr.Textbox(value=SYSTEM, visible=False)
                chatbot = make_chatbot()
                query = gr.Textbox(label="Input")
                with gr.Row():
                    clear = gr.Button("Clear")
                    send = gr.Button("Send")

        general.change(keep, [general, math, coder], [size, math, coder])
        math.change(keep, [math, general, coder], [size, general, coder])
        coder.change(keep, [coder, general, math], [size, general, math])
        asked = [query, chatbot, system, size], [query, chatbot, shown_system]
        query.submit(model_chat, *asked)
        send.click(model_chat, *asked)
        clear.click(lambda: ("", []), [], [query, chatbot])
        set_system.click(
            lambda text: (text, text, []), [shown_system], [system, shown_system, chatbot]
        )
    return demo


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--chatbot",
        choices=["tuples", "messages", "modelscope"],
        default="tuples" if MAJOR < 6 else "messages",
    )
    parser.add_argument("--limit", type=int, default=10, help="answers written at a time")
    parser.add_argument("--max-size", type=int, help="requests that may wait")
    parser.add_argument("--auth", help="user:password")
    parser.add_argument("--root-path", help="where a proxy shows the app")
    return parser.parse_args()


def serve():
    global scene
    port = free_port()
    build().queue(default_concurrency_limit=options.limit, max_size=options.max_size).launch(
        server_name="127.0.0.1",
        server_port=port,
        auth=tuple(options.auth.split(":", 1)) if options.auth else None,
        root_path=options.root_path,
        quiet=True,
        prevent_thread_lock=True,
    )
    scene.say("URL http://127.0.0.1:{}".format(port))
    for line in sys.stdin:
        if line == "go\n":
            scene.go()
        elif line == "reset\n":
            scene.end()
            scene = Scene()
            scene.say("RESET")
    # Gradio's threads, and a writer that waits for its gate, would keep a plain exit waiting.
    os._exit(0)


if __name__ == "__main__":
    options = parse_options()
    serve()
