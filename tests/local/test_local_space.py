"""The running Space: its wiring, its answers, its end, and what it keeps shut."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path

import pytest
from conftest import DEFAULT_SYSTEM, PATIENCE, requests, text_of, turn
from recordings import config as config_of

import qwen25.local
from qwen25.local import LocalSpaceError, gguf, model
from qwen25.local import space as space_module

RECORDED = "gradio-6.31.0-parts"

LONG_STORY = "Tell me a very long story about a cat, a dog and a bird, with every detail."


class Parrot:
    """In place of a model: it keeps what it was asked and says what it was told to."""

    def __init__(self, pieces=("one ", "two"), stand_in=True, name="Parrot"):
        self.gguf = gguf.Gguf(Path("none"), name, stand_in)
        self.pieces, self.asked, self.left = pieces, [], threading.Event()

    def answer(self, messages):
        self.asked.append(messages)
        try:
            yield from self.pieces
        finally:
            self.left.set()

    def close(self):
        pass


@pytest.fixture
def parrot_space(extra):
    """Start a Space around a parrot."""
    spaces = []

    def start(parrot):
        spaces.append(space_module.Space(parrot, "127.0.0.1", None))
        return spaces[-1]

    yield start
    for space in spaces:
        space.close()


@pytest.fixture(scope="module")
def config(space):
    """As it is in a process of its own: Gradio counts the components of all apps of a process."""
    config = requests.get(f"{space.url}/config", timeout=PATIENCE).json()
    before = config["components"][0]["id"] - 1
    for component in config["components"]:
        component["id"] -= before
    for function in config["dependencies"]:
        function["targets"] = [[number - before, event] for number, event in function["targets"]]
        for side in ("inputs", "outputs"):
            function[side] = [number - before for number in function[side]]
    return config


# Wiring


@pytest.fixture(scope="module")
def recorded():
    return config_of(RECORDED)


def test_components_have_the_ids_and_types_that_were_recorded(config, recorded):
    assert [(c["id"], c["type"]) for c in config["components"]] == [
        (c["id"], c["type"]) for c in recorded["components"]
    ]


def test_functions_are_wired_as_was_recorded(config, recorded):
    wiring = ("id", "targets", "inputs", "outputs", "api_name", "types", "queue", "trigger_mode")
    assert [[d[key] for key in wiring] for d in config["dependencies"]] == [
        [d[key] for key in wiring] for d in recorded["dependencies"]
    ]


def test_sizes_and_system_prompt_are_those_that_were_recorded(config, recorded):
    def shown(config, kind, keys):
        return [
            {key: c["props"].get(key) for key in keys}
            for c in config["components"]
            if c["type"] == kind
        ]

    for kind, keys in [
        ("radio", ("choices", "value", "label", "visible")),
        ("textbox", ("value", "label", "visible")),
    ]:
        assert shown(config, kind, keys) == shown(recorded, kind, keys)


def test_the_protocol_is_the_recorded_one(config, recorded):
    for key in ("version", "protocol", "api_prefix"):
        assert config[key] == recorded[key]


def test_the_text_box_is_function_3_and_its_trigger_component_25(config):
    submit, click = config["dependencies"][3], config["dependencies"][4]
    assert (submit["targets"], submit["api_name"]) == ([[25, "submit"]], "model_chat")
    assert (submit["inputs"], submit["outputs"]) == ([25, 24, 22, 12], [25, 24, 18])
    assert click["api_name"] == "model_chat_1"


def test_nothing_is_sent_home(config):
    assert config["analytics_enabled"] is False
    assert config["mcp_server"] is False


# The page


def test_the_page_says_who_answers_and_that_it_is_a_stand_in(config, space):
    page = [c["props"]["value"] for c in config["components"] if c["type"] == "markdown"]
    assert "SmolLM2-135M-Instruct" in config["title"] and "Qwen" not in config["title"]
    assert "**SmolLM2-135M-Instruct** answers, whatever size is chosen" in page[0]
    assert "stand-in" in page[0] and "not Qwen" in page[0]
    assert "SmolLM2-135M-Instruct, a small stand-in" in page[1]
    assert (space.model, "stand-in" in space.description) == ("SmolLM2-135M-Instruct", True)


def test_the_page_loads_nothing_from_elsewhere(space):
    page = requests.get(space.url, timeout=PATIENCE).text
    assert "<gradio-app" in page or "window.gradio_config" in page
    loaded = re.findall(r"<(?:script|link|iframe|img)[^>]+(?:src|href)=\"(https?://[^\"/]+)", page)
    assert [address for address in loaded if "127.0.0.1" not in address] == []


def test_choosing_a_size_of_one_row_clears_the_others(space):
    def choose(api_name, *rows):
        url = f"{space.url}/gradio_api/call/{api_name}"
        event = requests.post(url, json={"data": rows}, timeout=PATIENCE).json()["event_id"]
        answer = requests.get(f"{url}/{event}", timeout=PATIENCE).text
        return json.loads(answer.split("data: ")[1])

    assert choose("keep_2", "Coder-7B", "72B", None) == ["Coder-7B", None, None]
    cleared = choose("keep", None, None, "Coder-7B")
    assert "72B" not in str(cleared) and all("__type__" in str(value) for value in cleared)


# Answers


def test_the_stand_in_answers(space, ask):
    assert text_of(ask(space.url, "What is the capital of France?").until("process_completed")) == (
        "The capital of France is Paris."
    )


def test_an_answer_comes_in_pieces_and_leaves_the_text_box_empty(space, ask):
    question = ask(space.url, "Who are you?")
    first = question.until("process_generating")["output"]["data"]
    assert first[0] == "" and first[2] == DEFAULT_SYSTEM
    assert [t["role"] for t in first[1]] == ["user", "assistant"]
    second = question.until("process_generating")["output"]["data"]
    assert second[1][0][:2] == ["append", [1, "content", 0, "text"]]


def test_history_reaches_the_model(space, ask):
    history = [turn("user", "My name is Bob."), turn("assistant", "Hello Bob!")]
    answer = text_of(ask(space.url, "What is my name?", history).until("process_completed"))
    assert "Bob" in answer


def test_history_and_system_prompt_are_the_model_s_messages(parrot_space, ask):
    parrot = Parrot()
    space = parrot_space(parrot)
    history = [turn("user", "hi"), turn("assistant", "there")]
    done = ask(space.url, "and?", history, "Answer briefly.").until("process_completed")
    assert parrot.asked == [
        [
            {"role": "system", "content": "Answer briefly."},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "there"},
            {"role": "user", "content": "and?"},
        ]
    ]
    assert text_of(done) == "one two"
    assert [t["role"] for t in done["output"]["data"][1]] == ["user", "assistant"] * 2


@pytest.mark.parametrize("system", [DEFAULT_SYSTEM, ""])
def test_a_stand_in_is_not_told_that_it_is_qwen(parrot_space, ask, system):
    parrot = Parrot(name="qwen-like")
    ask(parrot_space(parrot).url, "hi", (), system).until("process_completed")
    assert parrot.asked[0][0] == {"role": "system", "content": "You are a helpful assistant."}


def test_qwen_is_told_that_it_is_qwen(parrot_space, ask):
    parrot = Parrot(stand_in=False, name="Qwen2.5-0.5B-Instruct")
    ask(parrot_space(parrot).url, "hi").until("process_completed")
    assert parrot.asked[0][0] == {"role": "system", "content": DEFAULT_SYSTEM}


def test_a_model_that_says_nothing_completes_with_an_empty_answer(parrot_space, ask):
    assert text_of(ask(parrot_space(Parrot(())).url, "hi").until("process_completed")) == ""


def test_a_conversation_that_is_too_long_is_a_failure_with_its_reason(space, ask, capfd):
    done = ask(space.url, "word " * 9000).until("process_completed")
    assert done["success"] is False
    assert "8192 tokens" in done["output"]["error"]
    assert "Traceback" not in capfd.readouterr().err


# Pieces, as the model gives them


class Engine:
    """In place of llama.cpp: it hands over chunks, and counts them."""

    def __init__(self, chunks):
        self.chunks, self.taken = chunks, 0

    def handle_chat_completions(self, request, hand_over):
        for chunk in self.chunks:
            self.taken += 1
            if hand_over(chunk):
                return


@pytest.fixture
def model_of(monkeypatch):
    """A `Model` around an `Engine`."""
    models = []

    def model_of(chunks):
        monkeypatch.setattr(model, "_load", lambda path: Engine(chunks))
        models.append(model.Model(gguf.Gguf(Path("none"), "fake")))
        return models[-1]

    yield model_of
    for one in models:
        one.close()


def chunk(text):
    return {"choices": [{"delta": {"content": text}}]}


def test_the_first_piece_does_not_wait_for_the_second(model_of):
    go = threading.Event()

    def chunks():
        yield chunk("first")
        assert go.wait(PATIENCE)  # the engine writes on only when the first piece is out
        yield chunk(" second")

    pieces = model_of(chunks()).answer([])
    assert next(pieces) == "first"
    go.set()
    assert list(pieces) == [" second"]


def test_pieces_that_come_within_30_ms_are_joined(model_of, monkeypatch):
    assert model.PIECE_EVERY == 0.03
    monkeypatch.setattr(model, "PIECE_EVERY", PATIENCE)  # so that a slow machine changes nothing
    first = threading.Event()

    def chunks():
        yield chunk("a")
        assert first.wait(PATIENCE)
        for letter in "bcd":
            yield chunk(letter)

    pieces = model_of(chunks()).answer([])
    assert next(pieces) == "a"
    first.set()
    assert list(pieces) == ["bcd"]


def test_a_piece_is_not_held_back_when_nothing_follows(model_of):
    go = threading.Event()

    def chunks():
        yield chunk("a")
        yield chunk("b")
        assert go.wait(PATIENCE)

    pieces = model_of(chunks()).answer([])
    text = ""
    while text != "ab":
        text += next(pieces)
    go.set()
    assert list(pieces) == []


def test_half_a_character_is_never_handed_out(model_of):
    assert (
        "".join(model_of([chunk("caf\ufffd"), chunk("é \ufffd\ufffd"), chunk("\ufffd")]).answer([]))
        == "café "
    )


def test_real_characters_of_several_tokens_come_whole(extra):
    with_emoji = [{"role": "user", "content": "Repeat: 🎉🎊😀 日本語"}]
    loaded = model.Model(gguf.find())
    try:
        pieces = loaded.answer(with_emoji)
        text = ""
        while len(text) < 40:
            text += next(pieces)
        pieces.close()
    finally:
        loaded.close()
    assert any(ord(character) > 0xFFFF for character in text)
    assert "\ufffd" not in text


def test_while_a_long_prompt_is_read_there_are_signs_of_life(model_of, monkeypatch):
    monkeypatch.setattr(model, "SIGN_OF_LIFE_EVERY", 0.0)
    progress = {"choices": [{"delta": {"content": None}}], "prompt_progress": {"processed": 256}}
    assert list(model_of([progress, progress, chunk("text")]).answer([])) == ["", "", "text"]


def test_a_short_prompt_gives_no_empty_piece(model_of):
    progress = {"choices": [{"delta": {"role": "assistant", "content": None}}]}
    assert "" not in list(model_of([progress, progress, chunk("text")]).answer([]))


def test_an_error_of_the_engine_carries_its_reason(model_of):
    with pytest.raises(LocalSpaceError, match="too much"):
        list(model_of([{"error": {"code": 400, "message": "too much"}}]).answer([]))


def test_giving_up_an_answer_stops_the_engine_at_its_next_token(model_of):
    gone = threading.Event()

    def chunks():
        yield chunk("first")
        assert gone.wait(PATIENCE)
        for _ in range(1000):
            yield chunk("more")

    loaded = model_of(chunks())
    pieces = loaded.answer([])
    next(pieces)
    pieces.close()
    gone.set()
    loaded._writer.submit(int).result(PATIENCE)
    assert loaded._engine.taken == 2


def test_a_closed_model_says_so(model_of):
    loaded = model_of([chunk("x")])
    loaded.close()
    loaded.close()
    with pytest.raises(LocalSpaceError, match="closed"):
        next(loaded.answer([]))


# Leaving


def stopped_within(space, seconds):
    """Whether llama.cpp stops writing: its one thread takes other work only then."""
    try:
        space._model._writer.submit(int).result(seconds)
    except FutureTimeoutError:
        return False
    return True


def test_a_client_that_leaves_stops_the_engine(space, ask):
    question = ask(space.url, LONG_STORY)
    question.until("process_generating")
    assert not stopped_within(space, 0.5), "the story was over before the test began"
    question.response.close()
    assert stopped_within(space, 5)


def test_a_client_that_leaves_while_its_prompt_is_read_stops_the_engine(space, ask):
    question = ask(space.url, "word " * 7000)
    sign_of_life = question.until("process_generating")["output"]["data"][1]
    assert sign_of_life[-1]["content"][0]["text"] == ""
    assert not stopped_within(space, 0.1), "the prompt was read before the test began"
    question.response.close()
    assert stopped_within(space, 10)


def test_closing_frees_port_threads_and_memory_and_may_be_repeated(extra, ask):
    before = set(threading.enumerate())
    space = qwen25.local.serve()
    question = ask(space.url, LONG_STORY)
    question.until("process_generating")
    space.close()
    space.close()
    done = question.until("process_completed")
    assert done["success"] is False and "closed" in done["output"]["error"]
    # Gradio's own pool of worker threads ends by itself when its event loop is gone.
    assert [t for t in set(threading.enumerate()) - before if t.name.startswith("qwen25")] == []
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", int(space.url.rpartition(":")[2])), timeout=5)


def test_a_model_closed_as_soon_as_it_is_loaded_does_not_hang(extra):
    """In a process of its own: llama.cpp would hang with Python's lock held."""
    code = """if True:
        from qwen25.local import gguf, model
        for _ in range(5):
            model.Model(gguf.find()).close()
    """
    subprocess.run([sys.executable, "-c", code], timeout=PATIENCE, check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_space_that_fails_to_start_leaves_nothing_open(extra, monkeypatch):
    def fail(model):
        raise ValueError("no page today")

    monkeypatch.setattr(space_module, "_web_app", fail)
    before, threads = listening_ports(), set(threading.enumerate())
    with pytest.raises(ValueError, match="no page today"):
        space_module.Space(Parrot(), "127.0.0.1", None)
    assert listening_ports() == before
    assert set(threading.enumerate()) <= threads


def test_waiting_ends_when_the_space_is_closed(parrot_space):
    space = parrot_space(Parrot())
    waiting = threading.Thread(target=space.wait)
    waiting.start()
    assert waiting.is_alive()
    space.close()
    waiting.join(PATIENCE)
    assert not waiting.is_alive()


def test_a_taken_port_is_a_clear_error(extra, space):
    port = int(space.url.rpartition(":")[2])
    with pytest.raises(LocalSpaceError, match=f"port {port}.*--port"):
        qwen25.local.serve(port=port)


@pytest.mark.parametrize(
    "host, url",
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
    ],
)
def test_the_address_is_one_that_a_client_can_use(host, url):
    assert space_module._url(host, 80) == url


# Doors


def listening_ports():
    """The TCP ports that this process listens on."""
    own = {os.readlink(fd) for fd in Path("/proc/self/fd").iterdir() if os.path.islink(fd)}
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/self/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in own:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_space_s_port_is_the_only_one_that_is_opened(extra):
    before = listening_ports()
    with qwen25.local.serve() as space:
        assert listening_ports() - before == {int(space.url.rpartition(":")[2])}


def test_llama_s_own_socket_has_no_name_that_anyone_could_connect_to(extra, monkeypatch):
    made = []

    class Directory(tempfile.TemporaryDirectory):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            made.append(Path(self.name, "shut.sock"))

    monkeypatch.setattr(tempfile, "TemporaryDirectory", Directory)
    loaded = model.Model(gguf.find())
    try:
        assert loaded._engine.listening_address.endswith(str(made[0]))
        with socket.socket(socket.AF_UNIX) as door, pytest.raises(FileNotFoundError):
            door.connect(str(made[0]))
    finally:
        loaded.close()


def test_the_socket_of_llama_cpp_refuses_a_request_without_its_key(extra, monkeypatch):
    """Seen through a directory that is left in place."""
    directory = tempfile.mkdtemp(prefix="q")

    class Kept:
        def __init__(self, **kwargs):
            pass

        def __enter__(self):
            return directory

        def __exit__(self, *exception):
            pass

    monkeypatch.setattr(tempfile, "TemporaryDirectory", Kept)
    loaded = model.Model(gguf.find())
    path = Path(directory, "shut.sock")
    try:
        body = b'{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}'
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(PATIENCE)
            door.connect(str(path))
            door.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (len(body), body)
            )
            assert door.recv(100).startswith(b"HTTP/1.1 401 ")
    finally:
        loaded.close()
        path.unlink(missing_ok=True)
        os.rmdir(directory)


@pytest.mark.parametrize("port", [-1, 65536, 99999])
def test_a_port_that_cannot_be_is_refused(port):
    with pytest.raises(LocalSpaceError, match=f"{port} is no port"):
        space_module._listen("127.0.0.1", port)
