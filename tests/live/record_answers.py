"""Record the answers of `app.py`, with the Gradio that is installed in another environment.

    python tests/live/record_answers.py PYTHON CHATBOT NAME

runs `app.py --chatbot CHATBOT` with the interpreter PYTHON, asks it with this environment's client,
and writes `tests/transcripts/NAME.json` by `qwen25.testing.record`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from recordings import FOLDER, HISTORY, PROMPTS, URL

from qwen25 import Client, GenerationError, Progress
from qwen25.testing import record

APP = Path(__file__).parent / "app.py"


def main(python: str, chatbot: str, name: str) -> None:
    path = FOLDER / f"{name}.json"
    command = [python, "-X", "utf8", str(APP), "--chatbot", chatbot]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as app:
        assert app.stdin is not None and app.stdout is not None

        def step(event: object) -> None:
            if isinstance(event, Progress):
                app.stdin.write("go\n")
                app.stdin.flush()

        url = next(line.split()[1] for line in app.stdout if line.startswith("URL "))
        with record(path), Client(url, model="7B", system="Answer briefly.") as client:
            for case, prompt in PROMPTS.items():
                try:
                    history = HISTORY if case == "history" else None
                    client.complete(prompt, history=history, on_event=step)
                except GenerationError as error:
                    print(case, error.detail)  # as its prompt wants it
        app.stdin.close()
    path.write_text(path.read_text("utf-8").replace(url, URL), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
