"""What is pure needs no socket: one that is made here is an error."""

import socket

import pytest


@pytest.fixture(autouse=True)
def no_socket(monkeypatch):
    """Whatever a test here does, it reaches no network and starts no server."""

    class Forbidden(socket.socket):
        def __init__(self, *_args, **_kwargs):
            raise AssertionError("a pure test has made a socket")

    monkeypatch.setattr(socket, "socket", Forbidden)
