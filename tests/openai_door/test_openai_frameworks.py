"""Programs that speak OpenAI's protocol, the real ones, against a scripted Space.

Each gets a whole answer and a streamed one, an error that it shows, and a stop that stops the
Space. Each is skipped by its name where it is missing; `make matrix` has an environment with all.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys

import pytest
from doors import PATIENCE

from qwen25.testing import Fail, Gate, Repeat

HELLO = [{"role": "user", "content": "Hi"}]
FAILS = Fail("Out of memory")
#: A script that goes on after the stop sequence until the client has left.
STOPS = ["One. ST", "OP", Repeat(["more", Gate()])]
either = pytest.mark.parametrize("stream", [False, True])
#: All of these bring warnings of their own.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def stopped(space):
    """Check that the Space was told to stop, as often as this was called."""
    count = 0

    def check():
        nonlocal count
        count += 1
        space.wait_for(lambda: space.left == count)

    return check


# By hand


@either
def test_httpx(opened, space, stopped, stream):
    httpx = pytest.importorskip("httpx")
    body = {"model": "72B", "messages": HELLO, "stream": stream, "stop": "STOP"}
    url = f"{opened.base_url}/chat/completions"
    answer = httpx.post(url, json=body, timeout=PATIENCE)
    assert "Hello" in answer.text and " world" in answer.text
    space.answer = FAILS
    answer = httpx.post(url, json=body, timeout=PATIENCE)
    assert answer.status_code == 503 and "Out of memory" in answer.json()["error"]["message"]
    space.answer = STOPS
    assert "One. " in httpx.post(url, json=body, timeout=PATIENCE).text
    stopped()
    if stream:
        space.answer = [Repeat(["more ", Gate()])]
        with httpx.stream("POST", url, json=body, timeout=PATIENCE) as response:
            assert any("more" in line for line in response.iter_lines())
        stopped()


@either
def test_curl(opened, space, stopped, stream):
    if shutil.which("curl") is None:
        pytest.skip("not installed: curl")
    body = json.dumps({"model": "72B", "messages": HELLO, "stream": stream, "stop": "STOP"})
    command = ["curl", "-sN", f"{opened.base_url}/chat/completions", "-d", body]

    def curl(*options):
        done = subprocess.run([*command, *options], stdout=subprocess.PIPE, timeout=PATIENCE)
        return done.returncode, done.stdout

    code, output = curl()
    assert code == 0 and b"Hello" in output and b" world" in output
    space.answer = FAILS
    assert b"Out of memory" in curl()[1]
    assert curl("--fail")[0] == 22
    space.answer = STOPS
    assert b"One. " in curl()[1]
    stopped()
    space.answer = ["more ", Gate()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        space.wait_for(lambda: space.open_streams == 1)
        process.terminate()
        stopped()


# Frameworks


def test_langchain(opened, space, stopped):
    module = pytest.importorskip("langchain_openai")
    model = module.ChatOpenAI(
        base_url=opened.base_url, api_key="none", model="72B", timeout=PATIENCE
    )
    assert model.invoke("Hi").content == "Hello world"
    assert "".join(chunk.content for chunk in model.stream("Hi")) == "Hello world"
    assert asyncio.run(model.ainvoke("Hi")).content == "Hello world"
    with pytest.raises(Exception, match="does not support tools"):
        model.bind_tools([{"name": "f", "description": "f", "parameters": {}}]).invoke("Hi")
    space.answer = FAILS
    for ask in (model.invoke, lambda prompt: list(model.stream(prompt))):
        with pytest.raises(Exception, match="Out of memory"):
            ask("Hi")
    space.answer = ["Hello", FAILS]
    with pytest.raises(Exception, match="Out of memory"):
        list(model.stream("Hi"))
    space.answer = STOPS
    assert model.invoke("Hi", stop=["STOP"]).content == "One. "
    stopped()
    assert "".join(chunk.content for chunk in model.stream("Hi", stop=["STOP"])) == "One. "
    stopped()


def test_langchain_gets_structured_output(opened, space):
    module = pytest.importorskip("langchain_openai")
    model = module.ChatOpenAI(base_url=opened.base_url, api_key="none", model="72B")
    schema = {"title": "City", "type": "object", "properties": {"name": {"type": "string"}}}
    space.answer = '{"name": "Paris"}'
    for method in ("json_schema", "json_mode"):
        structured = model.with_structured_output(schema, method=method)
        assert structured.invoke("As JSON: a city") == {"name": "Paris"}


def test_llama_index(opened, space, stopped):
    module = pytest.importorskip("llama_index.llms.openai_like")
    model = module.OpenAILike(
        model="72B",
        api_base=opened.base_url,
        api_key="none",
        is_chat_model=True,
        context_window=32_000,
        max_retries=0,
    )

    def streamed(prompt, **options):
        return "".join(each.delta for each in model.stream_complete(prompt, **options))

    assert model.complete("Hi").text == streamed("Hi") == "Hello world"
    space.answer = FAILS
    for ask in (model.complete, streamed):
        with pytest.raises(Exception, match="Out of memory"):
            ask("Hi")
    space.answer = ["Hello", FAILS]
    with pytest.raises(Exception, match="Out of memory"):
        streamed("Hi")
    space.answer = STOPS
    assert model.complete("Hi", stop=["STOP"]).text == "One. "
    stopped()
    assert streamed("Hi", stop=["STOP"]) == "One. "
    stopped()


def test_litellm(opened, space, stopped, monkeypatch):
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm = pytest.importorskip("litellm")
    options = {
        "model": "openai/72B",
        "messages": HELLO,
        "api_base": opened.base_url,
        "api_key": "none",
        "num_retries": 0,
        "stop": ["STOP"],
    }

    def whole():
        return litellm.completion(**options).choices[0].message.content

    def streamed():
        chunks = list(litellm.completion(**options, stream=True))
        assert chunks[-1].choices[0].finish_reason == "stop"
        return "".join(each.choices[0].delta.content or "" for each in chunks)

    assert whole() == streamed() == "Hello world"
    space.answer = FAILS
    with pytest.raises(litellm.exceptions.ServiceUnavailableError, match="Out of memory"):
        whole()
    for space.answer in (FAILS, ["Hello", FAILS]):
        with pytest.raises(Exception, match="Out of memory"):
            streamed()
    space.answer = STOPS
    for ask in (whole, streamed):
        assert ask() == "One. "
        stopped()


def test_llm(opened, space, stopped, tmp_path):
    pytest.importorskip("llm")
    model = {"model_id": "qwen", "model_name": "72B", "api_base": opened.base_url}
    # JSON is YAML too.
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps([model]))

    def ask(*options):
        return subprocess.run(
            [sys.executable, "-m", "llm", "-m", "qwen", "--no-log", *options, "Hi"],
            env={**os.environ, "LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "x"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=PATIENCE * 2,
        )

    for way in ([], ["--no-stream"]):
        done = ask("--usage", *way)
        assert done.stdout == b"Hello world\n", done.stderr.decode()
        assert b"output" in done.stderr
    space.answer = FAILS
    done = ask()
    assert done.returncode == 1 and b"Out of memory" in done.stderr
    space.answer = STOPS
    assert ask("-o", "stop", "STOP").stdout == b"One. \n"
    stopped()


@pytest.mark.parametrize("mode", ["JSON", "MD_JSON", "JSON_SCHEMA"])
def test_instructor(opened, space, stopped, mode):
    openai = pytest.importorskip("openai")
    instructor = pytest.importorskip("instructor")
    pydantic = pytest.importorskip("pydantic")

    class City(pydantic.BaseModel):
        name: str

    space.answer = 'Here: ```json\n{"name": "Paris"}\n```'
    with openai.OpenAI(base_url=opened.base_url, api_key="none") as inner:
        client = instructor.from_openai(inner, mode=getattr(instructor.Mode, mode))
        options = {"model": "72B", "messages": HELLO, "response_model": City, "max_retries": 1}
        options["stop"] = ["STOP"]

        def whole():
            return client.chat.completions.create(**options).name

        def streamed():
            *_, last = client.chat.completions.create_partial(**options)
            return last.name

        for ask in (whole, streamed):
            assert ask() == "Paris"
        space.answer = FAILS
        for ask in (whole, streamed):
            with pytest.raises(Exception, match="Out of memory"):
                ask()
        space.answer = ['```json\n{"name": "Paris"}\n```ST', *STOPS[1:]]
        for ask in (whole, streamed):
            assert ask() == "Paris"
            stopped()
