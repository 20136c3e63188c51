import re
from pathlib import Path

from setuptools import setup


def page():
    """The README without its pictures and relative links, which an index page has no target for."""
    text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    text = re.sub(r"^!\[[^]]*\]\((?!https?:).*?\n\n", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"\[([^]]*)\]\((?!https?:|#)[^)]*\)", r"\1", text)


setup(long_description=page(), long_description_content_type="text/markdown")
