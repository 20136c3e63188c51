"""The OpenAI-shaped door: programs that speak OpenAI's protocol ask the Space through it.

`serve()` and `create_app()` need the extra `api`; `OpenAI` needs nothing.
"""
