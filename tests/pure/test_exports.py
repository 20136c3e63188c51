"""What `import qwen25` gives, and what it costs."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import qwen25


def test_all_is_what_is_there():
    """Every name of `__all__` exists, and no public name is missing from it."""
    modules = {name for name in vars(qwen25) if f"qwen25.{name}" in sys.modules}
    public = {name for name in vars(qwen25) if name[0].isalpha()} - modules
    # IPython looks for this one by its name; nobody imports it.
    public.remove("load_ipython_extension")
    # The function qwen25.stream and the others are names of their own, not modules.
    assert set(qwen25.__all__) - {"__version__"} == public
    assert list(qwen25.__all__) == sorted(qwen25.__all__)


def imported_by(statement):
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, timeout=60
    )
    return set(done.stdout.decode().split())


@pytest.mark.parametrize(
    "module",
    ["requests", "urllib3", "sseclient", "asyncio", "IPython", "rich", "gradio", "ssl", "logging"],
)
def test_the_import_leaves_out_what_it_does_not_need(module):
    assert module not in imported_by("from qwen25 import Client; Client()")


def test_the_import_looks_for_no_neighbour():
    """Whether or not it is installed here."""
    neighbours = "llm marimo requests_cache vcr gevent langchain_core llama_index pandas tqdm shtab"
    code = (
        "import sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, *_):\n"
        f"        assert name.partition('.')[0] not in {neighbours.split()!r}, name\n"
        "sys.meta_path.insert(0, Watch())\n"
        "import qwen25.testing, qwen25.notebook, qwen25.batch; qwen25.Client()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_requests_is_imported_at_the_first_request():
    """A request to nobody: port 9 is closed."""
    asked = (
        "import qwen25\ntry: qwen25.Client('http://127.0.0.1:9', max_retries=0).complete('x')\n"
        "except qwen25.ConnectionFailedError: pass\nimport sys"
    )
    assert "requests" in imported_by(f"exec({asked!r})")


def test_the_typed_example_uses_every_public_name():
    """`make lint` checks its types, so each public name has a type that a user can rely on."""
    example = Path(__file__).parent.parent / "typing" / "user_code.py"
    used = set(re.findall(r"\w+", example.read_text(encoding="utf-8")))
    assert set(qwen25.__all__) <= used


#: The public paths of the first release; the rooms behind them may move.
PATHS = {
    "qwen25": (
        "AuthenticationError Client ConnectionFailedError Conversation EndpointNotFoundError "
        "GenerationError InvalidRequestError Note Progress ProtocolError QueueFullError "
        "Queued QwenError RateLimitError Space SpaceError SpaceNotFoundError "
        "SpaceUnavailableError Started Step Stream StreamInterruptedError Text TimedOutError "
        "Timeout UnknownModelError __version__ complete stream"
    ),
    "qwen25.aio": "AsyncClient AsyncConversation AsyncStream",
    "qwen25.batch": "Answer Batch Summary run",
    "qwen25.errors": (
        "AuthenticationError ConnectionFailedError EndpointNotFoundError GenerationError "
        "InvalidRequestError ProtocolError QueueFullError QwenError RateLimitError SpaceError "
        "SpaceNotFoundError SpaceUnavailableError StreamInterruptedError TimedOutError "
        "UnknownModelError"
    ),
    "qwen25.events": "Note Progress Queued Started Step Text",
    "qwen25.local": "LocalSpaceError Space serve",
    "qwen25.notebook": "safe_markdown show",
    "qwen25.provider": "Qwen_Qwen_2_5",
    "qwen25.pytest_plugin": "fake_space",
    "qwen25.testing": (
        "Delay Drop End Fail FakeSpace Gate Hang Heartbeat Message Question Raw Repeat "
        "Replace Reply Request Reset"
    ),
}


@pytest.mark.parametrize("module", PATHS)
def test_every_public_path_stays(module):
    found = vars(importlib.import_module(module))
    assert [name for name in PATHS[module].split() if name not in found] == []
