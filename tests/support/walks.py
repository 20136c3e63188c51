"""The recordings in `transcripts/shapes/`: an app's wiring, and what its page sent and showed."""

import json
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "transcripts" / "shapes"
#: The address of each recorded app.
URL = "http://127.0.0.1:7860"
#: VERSION/SHAPE.json
PATHS = sorted(FOLDER.glob("*/*.json"))


def _read(path):
    return json.loads(path.read_text("utf-8"))


def config_of(path):
    """What `/config` says."""
    return _read(path)["spaces"][URL]["config"]


def walks_of(path):
    """The walks by name, each with its steps."""
    content = _read(path)
    answers = content["spaces"][URL]["answers"]

    def step(number):
        request = {**answers[number]["request"], "session_hash": "session"}
        return {"request": request, "messages": answers[number]["messages"]}

    return {
        name: {**walk, "steps": [step(number) for number in walk["steps"]]}
        for name, walk in content["walks"].items()
    }
