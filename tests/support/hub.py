"""Spaces on Hugging Face, and what it says of them, without a network."""

import contextlib
import json
import re

import responses
from recordings import config, stream_bytes

RECORDING = "gradio-4.44.1-modelscope"
API = "https://huggingface.co/api/spaces/"


class Hub:
    """Mocked Spaces by id. An app that runs gives the recorded answer to every prompt.

    `stages["me/copy"]` are the stages to give one after the other; the last one stays. A Space
    that is not in it does not exist. Servers on this machine are asked as they are.
    """

    def __init__(self, mock):
        self.stages = {}
        self.quota = None
        #: The method, the URL and the token of each request, in order.
        self.asked = []
        mock.add_passthru("http://127.0.0.1")
        for method in ("GET", "POST"):
            mock.add_callback(method, re.compile(r"https://.*"), self._answer)

    def seen_by(self, host):
        """The tokens that a host was shown."""
        return {token for _, url, token in self.asked if url.startswith(f"https://{host}/")}

    def _answer(self, request):
        url = request.url.split("?")[0]
        self.asked.append((request.method, url, request.headers.get("Authorization")))
        if url == f"{API}zero-gpu/quota":
            return (200, {}, json.dumps(self.quota)) if self.quota else (401, {}, "{}")
        if url.startswith(API):
            stages = self.stages.get(url[len(API) :])
            if stages is None:
                return 401, {}, '{"error": "Repository not found"}'  # as Hugging Face says it
            stage = stages.pop(0) if len(stages) > 1 else stages[0]
            return 200, {}, json.dumps({"runtime": {"stage": stage}})
        stages = self.stages.get(self._id(url))
        if stages is None:
            return 404, {}, "<html>"
        if stages != ["RUNNING"]:
            return 503, {}, "<html>"
        if url.endswith("/config"):
            return 200, {}, json.dumps(config(RECORDING))
        if url.endswith("/queue/join"):
            return 200, {}, '{"event_id": "e1"}'
        headers = {"Content-Type": "text/event-stream"}
        return 200, headers, stream_bytes(RECORDING, "answer")

    def _id(self, url):
        host = url.split("/")[2]
        named = [each for each in self.stages if f"{each.replace('/', '-')}.hf.space" == host]
        return named[0] if named else None


@contextlib.contextmanager
def mocked_hub():
    """A `Hub` in place of the network."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Hub(mock)
