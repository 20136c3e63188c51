"""A browser that leaves a view of the page of recipes makes the Space stop writing."""

import pytest

from qwen25 import Client
from qwen25.testing import FakeSpace, Hang


def flask_response(stream):
    from flask import Response

    return Response(iter(stream))


def django_response(stream):
    from django.conf import settings
    from django.http import StreamingHttpResponse

    if not settings.configured:
        settings.configure()
    return StreamingHttpResponse(iter(stream))


@pytest.mark.parametrize("make", [flask_response, django_response])
def test_a_closed_response_closes_its_stream(make):
    pytest.importorskip("django" if make is django_response else "flask")
    with FakeSpace(["Hello", Hang()]) as space, Client(space.url) as client:
        response = make(client.stream("Hi"))
        assert next(iter(response)) if make is django_response else next(response.iter_encoded())
        response.close()
        space.wait_for(lambda: space.left == 1)
