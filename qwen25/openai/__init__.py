"""The OpenAI-shaped door: programs that speak OpenAI's protocol ask the Space through it.

`serve()` and `create_app()` need the extra `api`; `OpenAI` has the calls of the openai package in
process and needs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List

from .inprocess import OpenAI
from .serve import Server, needing_the_extra, serve

if TYPE_CHECKING:
    from .app import create_app

__all__ = ["OpenAI", "Server", "create_app", "serve"]


def __getattr__(name: str) -> Any:
    # Its module imports starlette, which the rest of this room does without.
    if name == "create_app":
        with needing_the_extra():
            from .app import create_app
        return create_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> List[str]:
    return __all__
