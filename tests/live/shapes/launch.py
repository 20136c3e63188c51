"""Start apps of this folder in one process, each on a port of its own, as it is told to.

It reads lines on standard input and ends when that does:

    start NAME    answered with `URL NAME http://127.0.0.1:PORT`, or `FAILED NAME reason`
    go            lets a writer whose query begins with GATE write a piece

An app is a file here that makes `demo`, and `auth` if it wants a login.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
import traceback

os.environ.update(
    GRADIO_ANALYTICS_ENABLED="False",
    GRADIO_SSR_MODE="False",
    HF_HUB_OFFLINE="1",
    NO_PROXY="127.0.0.1,localhost",
)

import gradio.context  # noqa: E402  it reads the settings above when it is imported
from words import gate  # noqa: E402


def say(*words):
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def start(name):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Each app numbers its components as if it were alone.
    gradio.context.Context.id = 0
    app = importlib.import_module(name)
    app.demo.queue(default_concurrency_limit=10).launch(
        server_name="127.0.0.1",
        server_port=port,
        auth=getattr(app, "auth", None),
        quiet=True,
        prevent_thread_lock=True,
    )
    return "http://127.0.0.1:{}".format(port)


def main():
    say("READY")
    for line in sys.stdin:
        command, _, name = line.strip().partition(" ")
        if command == "go":
            gate.release()
        elif command == "start":
            try:
                say("URL", name, start(name))
            except Exception as error:  # an app can fail in any way: its tests must hear of it
                traceback.print_exc()
                say("FAILED", name, repr(error).replace("\n", " "))
    # Gradio's threads, and a writer that waits for its gate, would keep a plain exit waiting.
    os._exit(0)


if __name__ == "__main__":
    main()
