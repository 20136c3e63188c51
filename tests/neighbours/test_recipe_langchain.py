"""LangChain's own tests of a chat model, for the one on the page of recipes."""

from __future__ import annotations

import pytest
from fences import DOCS, blocks

from qwen25 import Client
from qwen25.testing import FakeSpace

pytest.importorskip("langchain_tests")

from langchain_tests.integration_tests import ChatModelIntegrationTests  # noqa: E402
from langchain_tests.unit_tests import ChatModelUnitTests  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def class_on_the_page():
    for block in blocks(DOCS / "recipes.md"):
        if "class ChatQwen" in block.text:
            namespace = {"__name__": "recipes"}
            exec(block.text.split("\nllm = ")[0], namespace)
            return namespace["ChatQwen"]
    raise AssertionError("the page has no ChatQwen")


class Asked:
    """What both kinds of tests are told."""

    client: Client

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _space(cls):
        with FakeSpace(["Hello", " world"]) as space, Client(space.url) as cls.client:
            yield

    @property
    def chat_model_class(self):
        return ChatQwen

    @property
    def chat_model_params(self):
        return {"client": self.client}

    @property
    def has_tool_calling(self):
        return False

    @property
    def has_structured_output(self):
        return False

    @property
    def returns_usage_metadata(self):
        return False


ChatQwen = class_on_the_page()


class TestUnits(Asked, ChatModelUnitTests):
    pass


class TestAgainstASpace(Asked, ChatModelIntegrationTests):
    pass
