"""Record what goes over the wire to each app of `shapes/`, with the Gradio that is installed.

    python tests/live/record_shapes.py [NAME ...]

writes `tests/transcripts/shapes/VERSION/NAME.json`, unless it says nothing that the recordings of
the versions next to it do not. The README there tells what is in it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import page as pages
from catalogue import SHAPES, shapes_of
from walks import FOLDER, URL, config_of, walks_of

from qwen25.testing.recording import Tape, pretty, stable_config, stable_message

HERE = Path(__file__).parent
QUERY = "hello"
SECOND = "and now?"
TURNS = [["Who are you?", "I am an echo."]]

#: Props that only say how a component looks, and what differs from machine to machine.
LOOKS = (
    "_selectable autofocus autoscroll avatar_images container copy_button elem_classes "
    "elem_id height icon_width latex_delimiters layout likeable line_breaks link link_target "
    "max_height max_lines min_height min_width placeholder proxy_url render render_markdown "
    "resizable rtl sanitize_html scale show_copy_all_button show_copy_button show_label "
    "show_share_button size text_align theme_mode variant buttons icon rounded equal_height "
    "allow_tags bubble_full_width server_fns client_fns streamable attached_events "
    "delete_callback secret"
).split()
#: Fields of a function that tell about looks.
FUNCTION_LOOKS = (
    "show_progress show_progress_on js scroll_to_output collects_event_data "
    "documentation api_description description stream_every like_user_message event_specific_args"
).split()


def trimmed(config):
    """The config without css, theme, layout and looks, and without what is null or empty."""

    def filled(things, looks, kept=()):
        return {
            key: value
            for key, value in things.items()
            if key in kept or key not in looks and value not in (None, "", [], {})
        }

    kept = dict(config)
    kept["components"] = [
        {"id": part["id"], "type": part["type"], "props": filled(part["props"], LOOKS, ("value",))}
        for part in config["components"]
    ]
    kept["dependencies"] = [
        filled(function, FUNCTION_LOOKS, ("inputs", "outputs", "targets"))
        for function in config["dependencies"]
    ]
    return kept


def tidy(text, url):
    """Without what is new in each recording: the address, paths, places in the memory."""
    text = text.replace(url, URL)
    text = re.sub(re.escape(tempfile.gettempdir()) + r'/[^"]*/(?=[^/"]+")', "/files/", text)
    return re.sub(r" object at 0x[0-9a-f]+", " object at 0x7f", text)


def recording(config, walks):
    """The form of `qwen25.testing.record`, and the walks, whose steps are numbers of answers."""
    tape = Tape(stable_config(trimmed(config)))
    for walk in walks.values():
        for step in walk["steps"]:
            tape.add(step["request"], [stable_message(each) for each in step["messages"]])
    content = tape.content()

    def number(step):
        messages = [stable_message(each) for each in step["messages"]]
        request = {key: step["request"][key] for key in step["request"] if key != "session_hash"}
        return content["answers"].index({"request": request, "messages": messages})

    numbered = {
        name: {**walk, "steps": [number(step) for step in walk["steps"]]}
        for name, walk in walks.items()
    }
    return {"form": 1, "spaces": {URL: content}, "walks": numbered}


class Walk:
    """What one question to a page puts on the wire, to be written down."""

    def __init__(self, page, query, turns):
        self.page, self.query, self.turns = page, query, turns
        self.before = len(page.steps)

    def told(self, text):
        for step in self.page.steps[self.before :]:
            for message in step["messages"]:
                if message.get("success") is False:
                    raise RuntimeError("step {}: {}".format(step["request"]["fn_index"], message))
        steps = json.dumps(self.page.steps[self.before :])
        return {
            "query": self.query,
            "history": self.turns,
            "text": text,
            "steps": json.loads(steps.replace(self.page.session_hash, "session")),
        }


def walks(name, url):
    """The config of an app and its walks by name: see the README beside the recordings."""
    it = SHAPES[name]

    def ask(page, query, turns=()):
        walk = Walk(page, query, list(turns))
        page.ask(it.start, query)
        return walk.told(page.text(it.text))

    def ask_api(page, query, turns=(), told=False):
        walk = Walk(page, query, list(turns))
        if told and not pages.tell_history(page):
            return None
        text = pages.text_of(pages.call_api(page, query))
        return walk.told(pages.without_thoughts(page, text))

    page = pages.Page(url, it.auth)
    config, found = page.config, {}
    if it.start is None:
        return config, found
    shown = found["first"] = ask(page, QUERY)
    turn = [QUERY, shown["text"]]
    shown_second = found["second"] = ask(page, SECOND, [turn])
    if "chatbot" in it.text:
        page = pages.Page(url, it.auth)
        pages.give_history(page, TURNS)
        found["history"] = ask(page, QUERY, TURNS)
    if it.api and pages.api_of(page) is not None:
        page = pages.Page(url, it.auth)
        found["first"] = ask_api(page, QUERY)
        found["second"] = ask_api(page, SECOND, [turn])
        page = pages.Page(url, it.auth)
        pages.give_history(page, TURNS)
        found["history"] = ask_api(page, QUERY, TURNS, told=True) or found["history"]
        for walk, on_page in [("first", shown), ("second", shown_second)]:
            if found[walk]["text"] != on_page["text"]:
                # The page is right: its own steps are the ones to take.
                print("! not what the page shows:", walk, repr(found[walk]["text"]))
                found[walk] = on_page
    return config, found


#: The versions whose recordings are always kept.
KEPT = ("4.10.0", "4.44.1", "5.50.0", "6.31.0")


def wiring(path):
    """What a recording says apart from its version's number, props and texts of fields."""
    config, found = config_of(path), walks_of(path)
    parts = [(part["id"], part["type"], part["props"].get("type")) for part in config["components"]]
    names = ("targets", "inputs", "outputs", "trigger_after", "backend_fn", "queue", "types")
    functions = [[function.get(name) for name in names] for function in config["dependencies"]]
    for walk in found.values():
        for step in walk["steps"]:
            step["messages"] = [
                (message["msg"], (message.get("output") or {}).get("data"))
                for message in step["messages"]
            ]
    return json.dumps([parts, functions, found])


def drop_equal(folder, name):
    """Remove recordings of a shape that say nothing new beside those of the versions next to it."""

    def number(path):
        return tuple(map(int, path.parent.name.split(".")))

    paths = sorted(folder.glob("*/" + name + ".json"), key=number)
    wirings = [wiring(path) for path in paths]
    for before, path, after in zip(range(len(paths)), paths[1:-1], range(2, len(paths))):
        if path.parent.name not in KEPT and wirings[before + 1] in (
            wirings[before],
            wirings[after],
        ):
            path.unlink()


class Launcher:
    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-X", "utf8", str(HERE / "shapes" / "launch.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        assert self.process.stdout.readline() == "READY\n"

    def start(self, name):
        self.process.stdin.write("start {}\n".format(name))
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("URL {} ".format(name)):
                return line.split()[2]
            if line.startswith("FAILED"):
                break
        raise RuntimeError("{} does not start: {}".format(name, line))

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


def main(names):
    from importlib.metadata import version

    installed = version("gradio")
    folder = FOLDER / installed
    launcher = Launcher()
    try:
        for name in names or shapes_of(tuple(map(int, installed.split(".")[:2]))):
            try:
                url = launcher.start(name)
                config, found = walks(name, url)
            except Exception as error:  # the others are to be recorded all the same
                print(name, "NOT RECORDED:", repr(error))
                traceback.print_exc()
                continue
            folder.mkdir(parents=True, exist_ok=True)
            text = tidy(pretty(recording(config, found)), url) + "\n"
            (folder / (name + ".json")).write_text(text, encoding="utf-8")
            drop_equal(folder.parent, name)
            print(name, *("{}={}".format(walk, len(it["steps"])) for walk, it in found.items()))
    finally:
        launcher.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
