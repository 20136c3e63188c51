"""What the page of a Gradio app does when its user asks, in plain requests.

The truth that answers are held against: it knows nothing of `qwen25`, and it is led by hand where
a client has to find its way. It keeps the value of each component as a browser does, starts the
functions of an event, then those that follow on them, and those that listen for a changed chatbot.
"""

from __future__ import annotations

import copy
import json
import re
import uuid

import requests

#: What a user types into, and what it sends: the text, or a dict with the text and files.
QUERY_BOXES = {
    "textbox": str,
    "antdxsender": str,
    "multimodaltextbox": dict,
    "modelscopemultimodalinput": dict,
    "modelscopepromultimodalinput": dict,
}


class Page:
    """One browser window: `steps` has what went over the wire, `values` what is shown."""

    def __init__(self, url, auth=None):
        self.url = url
        self.http = requests.Session()
        self.http.trust_env = False
        if auth:
            form = dict(zip(("username", "password"), auth))
            self.http.post(url + "/login", data=form, timeout=30).raise_for_status()
        answer = self.http.get(url + "/config", timeout=30)
        answer.raise_for_status()
        self.config = answer.json()
        self.prefix = self.config.get("api_prefix", "")
        self.components = {part["id"]: part for part in self.config["components"]}
        # Before Gradio 4.29 a function has no id but its place.
        self.functions = {
            function.get("id", i): function
            for i, function in enumerate(self.config["dependencies"])
        }
        self.values = {
            number: copy.deepcopy(part["props"].get("value"))
            for number, part in self.components.items()
        }
        self.session_hash = uuid.uuid4().hex[:10]
        self.steps = []

    def find(self, kind, name=None):
        """The id of the first component of a type, if need be with a label or value."""
        for number, part in self.components.items():
            props = part["props"]
            if part["type"] == kind and name in (None, props.get("label"), props.get("value")):
                return number
        raise LookupError("no {} {!r}".format(kind, name))

    def started_by(self, component, event):
        """The functions that an event starts, in order."""
        return [
            number
            for number, function in self.functions.items()
            if [component, event] in [list(target) for target in function["targets"]]
            and function.get("trigger_after") is None
        ]

    def fire(self, component, event, data=None):
        """Let a user's event happen; `data` is for the first function in place of the shown."""
        for i, number in enumerate(self.started_by(component, event)):
            self.walk(number, component, data if i == 0 else None)

    def walk(self, number, trigger=None, data=None):
        """Call a function, then those that follow on it and those that listen for the chatbot."""
        before = copy.deepcopy(self.values)
        done = self.call(number, trigger, data)
        for other in self.functions[number]["outputs"]:
            if self.values[other] != before[other] and "chatbot" in self.components[other]["type"]:
                for listener in self.started_by(other, "change"):
                    self.walk(listener, other)
        for follower, function in self.functions.items():
            if function.get("trigger_after") == number:
                if done or not function.get("trigger_only_on_success"):
                    self.walk(follower, trigger)

    def call(self, number, trigger=None, data=None):
        """One step over the wire; return whether it went well."""
        function = self.functions[number]
        if not function.get("backend_fn"):
            return True
        if data is None:
            data = [self.to_send(part) for part in function["inputs"]]
        body = {
            "data": data,
            "event_data": None,
            "fn_index": number,
            "trigger_id": trigger,
            "session_hash": self.session_hash,
        }
        answer = self.http.post(self.url + self.prefix + "/queue/join", json=body, timeout=30)
        if answer.status_code != 200:
            raise RuntimeError("{}: {}".format(answer.status_code, answer.text[:500]))
        messages = list(self.listen())
        self.steps.append({"request": copy.deepcopy(body), "messages": messages})
        last = [message for message in messages if message["msg"] == "process_completed"][-1]
        if last["success"]:
            for part, value in zip(function["outputs"], last["output"]["data"]):
                self.show(part, value)
        return last["success"]

    def listen(self):
        stream = self.http.get(
            self.url + self.prefix + "/queue/data",
            params={"session_hash": self.session_hash},
            headers={"Accept": "text/event-stream"},
            stream=True,
            timeout=30,
        )
        with stream:
            for line in stream.iter_lines():
                if line.startswith(b"data:"):
                    message = json.loads(line[5:].decode("utf-8"))
                    if message["msg"] != "heartbeat":
                        yield message

    def to_send(self, number):
        return None if self.components[number]["type"] == "state" else self.values[number]

    def show(self, number, value):
        if isinstance(value, dict) and value.get("__type__") == "update":
            if "value" in value:
                self.values[number] = value["value"]
        else:
            self.values[number] = value

    def ask(self, start, query):
        """Type into the box and press what starts: (type, label or value, event)."""
        kind, name, event = start
        trigger = self.functions[api_of(self)]["inputs"][0] if kind == "api" else None
        trigger = self.find(kind, name) if trigger is None else trigger
        self.values[self.query_box(trigger, event)] = self.as_query(trigger, event, query)
        self.fire(trigger, event)

    def query_box(self, trigger, event):
        """The box itself, or the first text box that a button's function reads but no system's."""
        if self.components[trigger]["type"] in QUERY_BOXES:
            return trigger
        for function in self.started_by(trigger, event):
            for number in self.functions[function]["inputs"]:
                part = self.components[number]
                named = str(part["props"].get("label")).lower()
                if part["type"] == "textbox" and "system" not in named:
                    return number
        raise LookupError("no box to type into")

    def as_query(self, trigger, event, query):
        kind = self.components[self.query_box(trigger, event)]["type"]
        return query if QUERY_BOXES[kind] is str else {"text": query, "files": []}

    def text(self, kind="chatbot"):
        """The answer that is shown: all that was said after the last query but the thoughts."""
        shown = [n for n, part in self.components.items() if part["type"] == kind]
        if "chatbot" not in kind:
            return next(self.values[n] for n in reversed(shown) if self.values[n])
        return text_of(next(self.values[n] for n in shown if self.values[n]))


def text_of(value):
    """What an answer reads as: a chatbot's value, or what the API of a chat hands out."""
    if isinstance(value, str):
        return value
    return "".join(answers_of(value if isinstance(value, list) else [value]))


COMPONENT = re.compile(r"<gradio\.components\.[\w.]+ object at 0x[0-9a-f]+>")


def answers_of(value):
    """The texts that a chatbot's value shows after the last query."""
    answers = []
    if isinstance(value[-1], list):
        for query, answer in reversed(value):
            answers = texts_of(answer) + answers
            if query is not None:
                break
        return answers
    for message in reversed(value):
        if isinstance(message, str):
            # The API tells a component by what Python calls it.
            answers = ([] if COMPONENT.fullmatch(message) else [message]) + answers
            continue
        if "role" not in message:
            continue  # a file or a component
        if message["role"] == "user":
            break
        if not (message.get("metadata") or {}).get("title"):
            answers = texts_of(message["content"]) + answers
    return answers


def texts_of(content):
    """The texts in what one side said: a string, a part, a file, or a list of them."""
    if isinstance(content, str):
        return [content]
    if isinstance(content, list):
        return [text for part in content for text in texts_of(part)]
    if isinstance(content, dict):
        if content.get("type") == "text" and "content" in content:
            return [content["content"]]
        if isinstance(content.get("text"), str):
            return [content["text"]]
    return []


def shown(url, shape, queries, turns=()):
    """What the page of a shape answers to queries in one window, after some turns."""
    page = Page(url, shape.auth)
    if turns:
        give_history(page, turns)
        tell_history(page)
    answers = []
    for query in queries:
        page.ask(shape.start, query)
        answers.append(page.text(shape.text))
    return answers


def api_of(page):
    """The function of a `gr.ChatInterface` that is made for other programs, if there is one."""
    for number, function in page.functions.items():
        kinds = [page.components[part]["type"] for part in function["inputs"]]
        made = [page.components[part]["type"] for part in function["outputs"]]
        if (
            kinds[:1] in (["textbox"], ["multimodaltextbox"])
            and kinds[1:2] == ["state"]
            and made[:1] in (["textbox"], ["json"])
            and made[1:2] == ["state"]
            and [target[1] for target in function["targets"]] == ["click"]
            and "chatbot" not in kinds + made
            and function.get("trigger_after") is None
        ):
            return number
    return None


def call_api(page, query):
    """Ask a `gr.ChatInterface` past its page; return the value of the answer."""
    number = api_of(page)
    function = page.functions[number]
    kind = page.components[function["inputs"][0]]["type"]
    box = query if QUERY_BOXES[kind] is str else {"text": query, "files": []}
    data = [box, None] + [page.to_send(part) for part in function["inputs"][2:]]
    page.call(number, function["targets"][0][0], data)
    return page.values[function["outputs"][0]]


def without_thoughts(page, text):
    """The text of an answer without what stands between the chatbot's tags for thoughts."""
    for part in page.components.values():
        for begin, end in part["props"].get("reasoning_tags") or []:
            text = re.sub(re.escape(begin) + ".*?" + re.escape(end) + r"\s*", "", text, flags=re.S)
    return text


def history_for(page, turns):
    """`turns`, pairs of texts, as the value of the page's chatbot."""
    chatbot = next(part for part in page.components.values() if "chatbot" in part["type"])
    if chatbot["type"] == "modelscopeprochatbot":
        return [
            {"role": role, "content": text}
            for turn in turns
            for role, text in zip(("user", "assistant"), turn)
        ]
    major = int(page.config["version"].split(".")[0])
    if chatbot["type"] == "chatbot" and major >= 6:
        return [
            {"role": role, "content": [{"type": "text", "text": text}]}
            for turn in turns
            for role, text in zip(("user", "assistant"), turn)
        ]
    if chatbot["props"].get("type") == "messages":
        return [
            {"role": role, "content": text}
            for turn in turns
            for role, text in zip(("user", "assistant"), turn)
        ]
    return [list(turn) for turn in turns]


def give_history(page, turns):
    """Show an earlier conversation, as if the user had had it; tell nobody."""
    for number, part in page.components.items():
        if "chatbot" in part["type"]:
            page.values[number] = (page.values[number] or []) + history_for(page, turns)


def tell_history(page):
    """Call the step from the chatbot into the states of a `gr.ChatInterface`, if it has one."""
    for number, function in page.functions.items():
        kinds = [page.components[part]["type"] for part in function["inputs"]]
        made = {page.components[part]["type"] for part in function["outputs"]}
        if kinds == ["chatbot"] and made == {"state"}:
            page.call(number, function["inputs"][0])
            return True
    return False
