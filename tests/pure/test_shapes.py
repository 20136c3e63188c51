"""Apps of every shape, as recorded: the plan sends what the page does, and reads its text.

Each recording has the `/config` of an app, and walks: what its page put on the wire for a question,
and the text that it showed at the end.
"""

import pytest
from walks import FOLDER, PATHS, config_of, walks_of

from qwen25 import EndpointNotFoundError, InvalidRequestError, Note, ProtocolError, Thought
from qwen25.protocol.chatbot import TextFormat
from qwen25.protocol.config import Config
from qwen25.protocol.decoder import Decoder, StepReader
from qwen25.protocol.endpoint import find_plan
from qwen25.protocol.prompt import ChatRequest, Query
from qwen25.protocol.walk import Walk

WALKS = [
    pytest.param(path, name, id=f"{path.parent.name}-{path.stem}-{name}")
    for path in PATHS
    for name in walks_of(path)
]
EARLIER = [
    {"role": "user", "content": "Who are you?"},
    {"role": "assistant", "content": "I am an echo."},
]


#: No history from elsewhere reaches these; nor, before Gradio 4.41, a `gr.ChatInterface`.
KEEP_THEIR_SESSION = (
    *("one_step_state", "state_only", "qwen_agent", "ms_swift", "modelscope_input", "qwen3_demo"),
    *("artifacts", "interface", "interface_plain"),
)


def plan_of(path, endpoint=None):
    return find_plan(Config.of(config_of(path)), endpoint)


def messages_of(pairs):
    return [
        {"role": role, "content": text}
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair)
    ]


def bare(value):
    """Without what a server adds to a message that says nothing of what was said."""
    if isinstance(value, list):
        return [bare(part) for part in value]
    if isinstance(value, dict) and "flushing" in value:
        return value["text"]  # modelscope_studio's chatbot takes plain texts too
    if isinstance(value, dict) and "role" in value:
        value = {key: value[key] for key in ("role", "content")}
    if isinstance(value, dict):
        return {
            key: bare(part) for key, part in value.items() if key not in ("metadata", "options")
        }
    return value


def replay(walk, steps):
    """Take the recorded steps; returns the requests made, the text, and what was told beside it."""
    requests, told = [], []
    while True:
        body = walk.body("session")
        requests.append(body)
        recorded = next(step for step in steps if step["request"]["fn_index"] == body["fn_index"])
        reader = walk.decoder(lambda: None) if walk.is_last else StepReader()
        pieces = []
        for message in recorded["messages"]:
            items = reader.feed(message)
            for item in items if isinstance(items, list) else [items]:
                (pieces if isinstance(item, str) else told).append(item)
        assert reader.done
        if isinstance(reader, StepReader):
            walk.advance(reader.data)
        else:
            assert isinstance(reader, Decoder)
            assert reader.rewritten or "".join(pieces) == reader.text
            return requests, reader.text, told


@pytest.mark.parametrize(("path", "name"), WALKS)
def test_a_walk_sends_what_the_page_sends_and_reads_what_it_shows(path, name):
    recorded = walks_of(path)[name]
    plan = plan_of(path)
    query = Query.of(recorded["query"], messages_of(recorded["history"]))
    in_session = name == "second" and plan.keeps_session
    if query.history and plan.history_route is None and not in_session:
        assert path.stem in KEEP_THEIR_SESSION or path.parent.name in ("4.10.0", "4.29.0")
        with pytest.raises(InvalidRequestError, match="Space (keeps|takes no)"):
            Walk(plan, ChatRequest(query))
        return
    walk = Walk(plan, ChatRequest(query), in_session)
    if name == "second" and not in_session:
        return  # the page's session knows what a client has to send: see `history`
    if (path.stem, name) == ("chat_interface_messages", "first") and plan.route.history:
        return  # recorded by its API, which gives some messages as what Python prints of them
    requests, text, _ = replay(walk, recorded["steps"])
    assert text == recorded["text"]
    sent = [bare(step["request"]) for step in recorded["steps"]]
    assert [request for request in requests if bare(request) not in sent] == []


@pytest.mark.parametrize("path", PATHS, ids=lambda one: f"{one.parent.name}-{one.stem}")
def test_an_app_without_a_chat_is_refused_and_no_other(path):
    if path.stem in ("image_only", "buttons_only", "rendered"):
        with pytest.raises(EndpointNotFoundError):
            plan_of(path)
    else:
        assert plan_of(path).describe()


def walk_of(version, shape, name="first", **options):
    path = FOLDER / version / f"{shape}.json"
    recorded = walks_of(path)[name]
    query = Query.of(
        recorded["query"], messages_of(recorded["history"]), options.pop("system", None)
    )
    return Walk(plan_of(path), ChatRequest(query, **options)), recorded["steps"]


@pytest.mark.parametrize(
    ("version", "shape"),
    [
        *(("5.50.0", "chat_interface_thought"), ("6.31.0", "chat_interface_thought")),
        *(("4.44.1", "blocks_thought"), ("5.50.0", "blocks_thought"), ("6.31.0", "blocks_thought")),
    ],
)
def test_a_thought_is_told_as_it_grows_and_is_no_answer(version, shape):
    _, text, told = replay(*walk_of(version, shape))
    thoughts = [event for event in told if isinstance(event, Thought)]
    assert {thought.title for thought in thoughts} == {"Thinking"}
    assert len({thought.text for thought in thoughts}) == len(thoughts) > 1
    assert thoughts[-1].text in ("The user says. I echo.", "The user says something.")
    assert "The user" not in text


@pytest.mark.parametrize("version", ["5.50.0", "6.31.0"])
def test_files_and_components_are_told_by_name(version):
    _, _, told = replay(*walk_of(version, "chat_interface_file"))
    assert [event.text for event in told if isinstance(event, Note)] == [
        "The answer shows more than text: code.",
        "The answer shows more than text: notes.txt.",
    ]


@pytest.mark.parametrize("version", ["4.44.1", "5.50.0", "6.31.0"])
class TestRequests:
    """What a caller wants stands where the app takes it, or is refused."""

    def data(self, version, shape, **options):
        walk, steps = walk_of(version, shape, **options)
        return [body["data"] for body in replay(walk, steps)[0]]

    def test_system_prompt_and_inputs_by_label(self, version):
        options = {"Temperature": 0.2, "max new tokens": "200"}
        data = self.data(version, "chat_interface_inputs", system="Be brief.", inputs=options)
        assert data == [["hello", None, "Be brief.", 200, 0.2, 0.95]]

    def test_a_system_prompt_and_a_size_in_a_later_step(self, version):
        data = self.data(version, "two_steps_options", system="Be brief.", model="72b")
        assert data[1][1:] == ["Be brief.", "72B", 0.7]

    @pytest.mark.parametrize("model", ["Qwen2.5-14B-Instruct", "14b", "Qwen/Qwen2.5-14B-Instruct"])
    def test_a_model_among_full_names(self, version, model):
        data = self.data(version, "chat_interface_model", model=model)
        assert data == [["hello", None, "Qwen2.5-14B-Instruct", "You are Qwen.", True]]

    @pytest.mark.parametrize(
        ("shape", "options", "reason"),
        [
            ("two_steps", {"system": "Be brief."}, "takes no system prompt"),
            ("chat_interface", {"system": "Be brief."}, "takes no system prompt"),
            ("interface", {"model": "7B"}, "offers no choice of a model"),
            ("two_steps", {"inputs": {"Temperature": 1}}, "no input 'Temperature'"),
            ("chat_interface_inputs", {"inputs": {"Top k": 1}}, "'Max new tokens', 'Temperature'"),
            ("chat_interface_inputs", {"inputs": {"Temperature": 9}}, "the most is 4.0"),
            ("chat_interface_inputs", {"inputs": {"Temperature": "hot"}}, "takes a number"),
            ("chat_interface_inputs", {"inputs": {"Temperature": True}}, "takes a number"),
            ("chat_interface_model", {"inputs": {"Sample": 1}}, "takes true or false"),
            (
                "chat_interface_inputs",
                {"inputs": {"System message": "a"}, "system": "b"},
                "two values",
            ),
        ],
    )
    def test_what_has_no_place_is_refused(self, version, shape, options, reason):
        with pytest.raises(InvalidRequestError, match=reason):
            walk_of(version, shape, **options)

    def test_what_has_no_place_goes_into_the_prompt_when_that_is_wanted(self, version):
        query = Query.of("And now?", EARLIER, "Be brief.")
        walk = Walk(plan_of(FOLDER / version / "state_only.json"), ChatRequest(query, flatten=True))
        assert walk.body("session")["data"][0] == (
            "System: Be brief.\n\nUser: Who are you?\n\nAssistant: I am an echo.\n\nUser: And now?"
        )
        assert [note.level for note in walk.notes] == ["warning", "warning"]

    def test_flatten_leaves_what_has_a_place(self, version):
        query = Query.of("And now?", EARLIER, "Be brief.")
        walk = Walk(plan_of(FOLDER / version / "one_step.json"), ChatRequest(query, flatten=True))
        assert walk.body("session")["data"][0] == "And now?"
        assert walk.notes == []

    def test_an_endpoint_is_chosen_by_name(self, version):
        plan = plan_of(FOLDER / version / "two_chats.json", "/coder")
        assert (plan.endpoint, plan.route.steps[0].fn_index) == ("coder", 1)
        with pytest.raises(EndpointNotFoundError, match="no function 'writer'"):
            plan_of(FOLDER / version / "two_chats.json", "writer")


@pytest.mark.parametrize("version", ["5.50.0", "6.31.0"])
def test_a_form_takes_model_system_prompt_and_inputs(version):
    """As on the page of Qwen3's demo, which modelscope_studio makes."""
    plan = plan_of(FOLDER / version / "qwen3_demo.json")
    request = ChatRequest(
        Query.of("hello", system="Be brief."), "Qwen3-32B", {"Thinking budget": "7"}
    )
    form = {"model": "qwen3-32b", "sys_prompt": "Be brief.", "thinking_budget": 7}
    assert Walk(plan, request).body("session")["data"] == ["hello", form, None, None]
    with pytest.raises(InvalidRequestError, match="the most is 38"):
        Walk(plan, ChatRequest(Query.of("hello"), inputs={"Thinking budget": 39}))


def edited(path, change, endpoint=None):
    """The plan of a recorded app after a change of its config."""
    config = config_of(path)
    change({part["id"]: part for part in config["components"]}, config["dependencies"])
    return find_plan(Config.of(config), endpoint)


@pytest.mark.parametrize("version", ["4.10.0", "4.44.1", "5.50.0", "6.31.0"])
def test_a_history_follows_the_greeting_as_on_the_page(version):
    recorded = walks_of(FOLDER / version / "greeting.json")
    first, second = recorded["first"], recorded["second"]
    query = Query.of(second["query"], messages_of([[first["query"], first["text"]]]))
    walk = Walk(plan_of(FOLDER / version / "greeting.json"), ChatRequest(query))
    (sent,), text, _ = replay(walk, second["steps"])
    assert bare(sent) == bare(second["steps"][0]["request"])
    assert text == second["text"]


def test_a_history_that_begins_with_an_assistant_has_its_own_greeting():
    history = [{"role": "assistant", "content": "Welcome."}, *EARLIER]
    plan = plan_of(FOLDER / "6.31.0" / "greeting.json")
    sent = Walk(plan, ChatRequest(Query.of("hello", history))).body("session")["data"][1]
    assert [message["content"][0]["text"] for message in sent] == [
        *("Welcome.", "Who are you?", "I am an echo.")
    ]


def test_an_empty_text_box_is_an_empty_text_and_not_null():
    def empty(components, functions):
        for part in components.values():
            if "ystem" in str(part["props"].get("label")):
                part["props"]["value"] = None

    plan = edited(FOLDER / "6.31.0" / "chat_interface_inputs.json", empty)
    assert Walk(plan, ChatRequest(Query.of("hello"))).body("session")["data"][2] == ""


def test_a_button_reads_the_query_from_the_box_that_is_empty():
    """A box that has a text from the start tells the model what to do."""

    def fill(components, functions):
        components[1].update(type="textbox", props={"label": "Task", "value": "You are a poet."})
        functions[0]["inputs"] = [1, 4]

    plan = edited(FOLDER / "6.31.0" / "artifacts.json", fill)
    sent = Walk(plan, ChatRequest(Query.of("hello"))).body("session")["data"]
    assert sent == ["You are a poet.", "hello"]


def test_an_answer_in_several_chatbots_is_told():
    def double(components, functions):
        first = next(one for one in components.values() if one["type"] == "chatbot")
        components_of = functions[0]["outputs"]
        components_of.append(first["id"])
        first["props"]["label"] = "Model A"

    plan = edited(FOLDER / "6.31.0" / "one_step.json", double)
    walk = Walk(plan, ChatRequest(Query.of("hello")))
    assert [note.text for note in walk.notes] == [
        "The Space answers in several chatbots; this is the first of 'Model A', 'Model A'."
    ]


def start_together(components, functions):
    """Let the first box's event start both chats, each with a chatbot of its own."""
    general, coder = functions
    coder["targets"] = general["targets"]
    coder["inputs"][0] = coder["outputs"][0] = general["inputs"][0]
    for function, label in ((general, "Model A"), (coder, "Model B")):
        components[function["outputs"][1]]["props"]["label"] = label


def without_labels(components, functions):
    start_together(components, functions)
    for function in functions:
        del components[function["outputs"][1]]["props"]["label"]


def in_one_chatbot(components, functions):
    start_together(components, functions)
    functions[1]["inputs"][1] = functions[1]["outputs"][1] = functions[0]["outputs"][1]


@pytest.mark.parametrize("version", ["4.10.0", "4.44.1", "5.50.0", "6.31.0"])
@pytest.mark.parametrize(
    "change, endpoint, names",
    [
        (start_together, None, "'Model A', 'Model B'"),
        (without_labels, None, "'Chatbot', 'Chatbot'"),
        # Who names a function wants its answer.
        (start_together, "coder", None),
        (in_one_chatbot, None, None),
        (lambda components, functions: None, None, None),
    ],
)
def test_answers_of_several_functions_on_one_event_are_told(version, change, endpoint, names):
    plan = edited(FOLDER / version / "two_chats.json", change, endpoint)
    walk = Walk(plan, ChatRequest(Query.of("hello")))
    text = f"The Space answers in several chatbots; this is the first of {names}."
    assert [note.text for note in walk.notes] == ([text] if names else [])


def test_a_json_object_is_no_answer():
    message = {"msg": "process_completed", "success": True, "output": {"data": [{"a": "b"}]}}
    with pytest.raises(ProtocolError, match="a JSON object"):
        Decoder(TextFormat(), 0, (), diffs=True).feed(message)
