"""What the pictures of pages show: the code of the cells, and the words of the local Space."""

from __future__ import annotations

import json
import urllib.request

from qwen25 import Client
from qwen25.display.markdown import safe_markdown

QUESTION = "Explain in two sentences why the sky is blue."

NOTEBOOK = [
    f'from qwen25 import Client\n\nclient = Client()\nclient.stream("{QUESTION}")',
    "import pandas\n\n"
    'towns = ["Paris", "Rome", "Cairo", "Lima"]\n'
    'answers = client.map(f"In which country is {town}?" for town in towns)\n'
    'pandas.DataFrame(answers)[["prompt", "text", "seconds"]].round(1)',
]

MARIMO = f"""import marimo

app = marimo.App()


@app.cell
def _():
    from qwen25 import Client

    client = Client()
    client.stream("{QUESTION}")
    return


if __name__ == "__main__":
    app.run()
"""


def markdown_of(space):
    """The Markdown that a notebook shows of the answer."""
    return safe_markdown(Client(space).complete(QUESTION)).splitlines()


def words_of_the_page(space):
    """The titles, labels and choices of a local Space's page."""
    with urllib.request.urlopen(f"{space}/config") as response:
        config = json.load(response)
    seen = [each["props"] for each in config["components"] if each["props"].get("visible", True)]
    words = [
        each[name]
        for each in seen
        for name in ("label", "value", "choices")
        if isinstance(each.get(name), (str, list)) and each[name]
    ]
    return [config["title"], *words]
