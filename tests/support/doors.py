"""Requests to a door by hand, and what comes back."""

from __future__ import annotations

import json

import requests

#: Seconds for a request, so that no test can hang.
PATIENCE = 30
#: Seconds within which the Space is told to stop when its answer is no longer wanted.
SOON = 1


class Door:
    """A server, and requests to it by hand."""

    def __init__(self, server):
        self.server = server
        self.base_url = server.base_url
        self.root = server.base_url[: -len("/v1")]

    def chat(self, prompt="Hi", headers={}, **fields):
        """Ask a chat; the response."""
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        body = {"model": "72B", "messages": messages, **fields}
        return self.post("/chat/completions", json=body, headers=headers)

    def post(self, path, **options):
        return requests.post(f"{self.base_url}{path}", timeout=PATIENCE, stream=True, **options)

    def get(self, path, **options):
        return requests.get(f"{self.root}{path}", timeout=PATIENCE, **options)


def error_of(response):
    """The error in a response, with its status checked against its shape."""
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def events(response):
    """The data of a stream, read to its end."""
    assert response.status_code == 200, response.text
    lines = [line for line in response.iter_lines() if line]
    return [line[len(b"data: ") :].decode() for line in lines if line.startswith(b"data: ")]


def chunks(response):
    """The chunks of a stream, which ends as OpenAI's do."""
    *data, last = events(response)
    assert last == "[DONE]"
    return [json.loads(each) for each in data]


def said(chunks, index=0):
    """The text of one choice."""
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return "".join(
        choice.get("delta", {}).get("content", choice.get("text", ""))
        for choice in choices
        if choice["index"] == index
    )
