"""LangChain's own tests of a chat model, for ChatOpenAI behind the door."""

from __future__ import annotations

import contextlib

import pytest

from qwen25 import Client
from qwen25.testing import FakeSpace

pytest.importorskip("langchain_tests")
pytest.importorskip("starlette")

from langchain_openai import ChatOpenAI  # noqa: E402
from langchain_tests.integration_tests import ChatModelIntegrationTests  # noqa: E402

from qwen25.openai import serve  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="class", autouse=True)
def base_url(request):
    with contextlib.ExitStack() as stack:
        space = stack.enter_context(FakeSpace(["Hello", " world"]))
        client = stack.enter_context(Client(space.url))
        request.cls.base_url = stack.enter_context(serve(client)).base_url
        yield


class TestChatOpenAI(ChatModelIntegrationTests):
    base_url = ""

    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        return {"base_url": self.base_url, "api_key": "none", "model": "72B", "stream_usage": True}

    @property
    def has_tool_calling(self):
        return False

    @property
    def has_structured_output(self):
        return False
