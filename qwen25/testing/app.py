"""What the app behind a Space is: its wiring in `/config`, its sizes, its chatbot's layout."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

SIZES = (
    *("72B", "32B", "14B", "7B", "3B", "1.5B", "0.5B"),
    *("Math-72B", "Math-7B", "Math-1.5B"),
    *("Coder-7B", "Coder-1.5B"),
)
SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."

# The components of the public Space that matter to its chat function.
QUERY, CHATBOT, SYSTEM_STATE, SIZE, SYSTEM_INPUT = 25, 24, 22, 12, 18
VISIBLE_RADIOS = {4: "", 7: "Math-", 10: "Coder-"}

Turn = Dict[str, str]
ROLES = ("user", "assistant", "system")


class Layout(NamedTuple):
    """How a chatbot component writes a conversation down; a wrong value raises `ValueError`."""

    component: str
    props: Dict[str, Any]
    #: Whether an entry is a pair of texts, and not one message with its role.
    pairs: bool
    #: Where the text of an answer is inside its place.
    tail: List[Any]
    wrap: Callable[[str], Any]
    unwrap: Callable[[Any], str]

    def read(self, value: Any) -> List[Turn]:
        """The messages of a chatbot's value, in one form for all layouts."""
        if not isinstance(value, list):
            raise ValueError("a history is a list")
        turns = []
        for entry in value:
            if self.pairs:
                if not isinstance(entry, list) or len(entry) != 2:
                    raise ValueError("an entry is a pair")
                for role, text in zip(("user", "assistant"), entry):
                    turns.append({"role": role, "content": self.unwrap(text)})
            else:
                if not isinstance(entry, dict) or entry.get("role") not in ROLES:
                    raise ValueError("an entry is a message with its role")
                content = self.unwrap(entry.get("content"))
                turns.append({"role": entry["role"], "content": content})
        return turns

    def write(self, turns: Sequence[Turn]) -> List[Any]:
        """The chatbot's value for messages."""
        if self.pairs:
            texts = [self.wrap(turn["content"]) for turn in turns]
            return [list(pair) for pair in zip(texts[::2], texts[1::2])]
        return [
            {
                "role": turn["role"],
                "metadata": None,
                "content": self.wrap(turn["content"]),
                "options": None,
            }
            for turn in turns
        ]

    def path(self, before: int) -> List[Any]:
        """Where the answer's text is, after so many earlier messages."""
        place: List[Any] = [before // 2, 1] if self.pairs else [before + 1, "content"]
        return place + self.tail


def _plain(text: Any) -> str:
    if not isinstance(text, str):
        raise ValueError("a text is a string")
    return text


def _multimodal(text: str) -> Dict[str, Any]:
    nothing = dict.fromkeys(("id", "elem_id", "elem_classes", "name"))
    return {**nothing, "text": text, "flushing": None, "avatar": "", "files": None}


def _from_multimodal(value: Any) -> str:
    return _plain(value.get("text") if isinstance(value, dict) else value)


def _from_parts(value: Any) -> str:
    if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
        raise ValueError("a content is a list of parts")
    return "".join(_plain(part.get("text")) for part in value)


LAYOUTS = {
    "modelscope": Layout("modelscopechatbot", {}, True, ["text"], _multimodal, _from_multimodal),
    "tuples": Layout("chatbot", {"type": "tuples"}, True, [], str, _plain),
    "messages": Layout("chatbot", {"type": "messages"}, False, [], str, _plain),
    "parts": Layout(
        *("chatbot", {}, False, [0, "text"]),
        lambda text: [{"text": text, "type": "text"}],
        _from_parts,
    ),
}

# The Gradio whose recording each combination follows.
_OLD = {"sse_v1": "4.10.0", "sse_v2": "4.20.1"}
_NEW = {"modelscope": "4.44.1", "tuples": "5.50.0", "messages": "5.50.0", "parts": "6.31.0"}
PROTOCOLS = (*_OLD, "sse_v3")


def version(layout: str, protocol: str) -> str:
    """The Gradio version that speaks this layout and protocol."""
    return _OLD.get(protocol, _NEW[layout])


def prefix(layout: str, protocol: str) -> str:
    """Of the queue's paths, since Gradio 5."""
    return "" if version(layout, protocol).startswith("4.") else "/gradio_api"


def config(
    *,
    layout: str,
    protocol: str,
    prefix: str,
    root: str,
    sizes: Sequence[str],
    size_input: bool,
    fn_index: int,
) -> Dict[str, Any]:
    """What `GET /config` says: the parts of a real one that a client can need."""
    gradio = version(layout, protocol)
    chatbot = LAYOUTS[layout]
    if layout == "tuples" and protocol != "sse_v3":
        chatbot = chatbot._replace(props={})  # Gradio 4 knew no other type, and named none.
    return {
        "version": gradio,
        **({"api_prefix": prefix} if prefix else {}),
        "mode": "blocks",
        "title": "Gradio",
        "space_id": None,
        "enable_queue": True,
        "protocol": protocol,
        "root": "" if protocol == "sse_v1" else root,
        "components": _components(chatbot, sizes),
        "dependencies": _dependencies(size_input, fn_index, with_id=protocol == "sse_v3"),
    }


def _components(layout: Layout, sizes: Sequence[str]) -> List[Dict[str, Any]]:
    def component(number: int, kind: str, **props: Any) -> Dict[str, Any]:
        return {"id": number, "type": kind, "props": {"visible": True, **props, "name": kind}}

    def radio(number: int, names: Sequence[str], **props: Any) -> Dict[str, Any]:
        return component(number, "radio", choices=[[name, name] for name in names], **props)

    families: Dict[int, List[str]] = {number: [] for number in VISIBLE_RADIOS}
    for size in sizes:
        named = [
            number for number, start in VISIBLE_RADIOS.items() if start and size.startswith(start)
        ]
        families[named[0] if named else 4].append(size)
    # On the public Space the function's own radio is hidden and has no choices.
    hidden = [] if layout.component == "modelscopechatbot" else sizes
    return [
        component(1, "markdown", value="Qwen2.5"),
        *(radio(number, names) for number, names in families.items()),
        radio(SIZE, hidden, value=sizes[0] if sizes else None, visible=False),
        component(SYSTEM_INPUT, "textbox", value=SYSTEM, label="System"),
        component(SYSTEM_STATE, "textbox", value=SYSTEM, visible=False),
        component(CHATBOT, layout.component, **layout.props, value=[]),
        component(QUERY, "textbox", label="Input"),
        component(27, "button", value="Clear"),
        component(28, "button", value="Send"),
    ]


def _dependencies(size_input: bool, fn_index: int, *, with_id: bool) -> List[Dict[str, Any]]:
    inputs = [QUERY, CHATBOT, SYSTEM_STATE] + [SIZE] * size_input
    outputs = [QUERY, CHATBOT, SYSTEM_INPUT]
    functions: List[Tuple[int, str, List[int], List[int], str]] = []
    for number in range(fn_index):
        radio = list(VISIBLE_RADIOS)[number % 3]
        others = [other for other in VISIBLE_RADIOS if other != radio]
        name = f"keep_{number}" if number else "keep"
        functions.append((radio, "change", [radio, *others], [SIZE, *others], name))
    functions += [
        (QUERY, "submit", inputs, outputs, "model_chat"),
        (28, "click", inputs, outputs, "model_chat_1"),
        (27, "click", [], [QUERY, CHATBOT], "lambda"),
    ]
    return [
        {
            **({"id": number} if with_id else {}),
            "targets": [[target, event]],
            "inputs": takes,
            "outputs": gives,
            "backend_fn": True,
            "queue": True,
            "api_name": name,
            "types": {"generator": name.startswith("model_chat"), "cancel": False},
        }
        for number, (target, event, takes, gives, name) in enumerate(functions)
    ]
