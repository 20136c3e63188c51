"""A kernel, and what it says, as a front end hears it."""

from __future__ import annotations

import os
from pathlib import Path

#: Seconds after which a test gives up, so that none can hang.
PATIENCE = 60

ROOT = Path(__file__).parents[2]


def environment(home, **changes):
    """The environment of a program that sees this project and no settings of this machine."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    variables = {name: value for name, value in os.environ.items() if "JUPYTER" not in name}
    return {**variables, "PYTHONPATH": path, "HOME": str(home), **changes}


class Cell:
    """A cell that runs in a kernel, and its outputs as a front end would show them."""

    def __init__(self, client, code):
        self._client = client
        self._id = client.execute(code)
        #: Each state of each displayed output, in the order of the messages; `(when, content)`.
        self.updates = []
        #: What is displayed, by `display_id`.
        self.displays = {}
        self.printed = ""
        #: The kinds of all messages.
        self.kinds = set()
        #: The messages that say how a cell failed.
        self.errors = []
        self._idle = False

    def until(self, predicate):
        """Read on until this is true of the cell."""
        while not predicate(self):
            self._read()

    def result(self):
        """Read to the end, and return the reply."""
        while not self._idle:
            self._read()
        while True:
            reply = self._client.get_shell_msg(timeout=PATIENCE)
            if reply["parent_header"].get("msg_id") == self._id:
                return reply["content"]

    @property
    def text(self):
        """The Markdown of the only output."""
        (content,) = self.displays.values()
        return content["text/markdown"]

    def _read(self):
        message = self._client.get_iopub_msg(timeout=PATIENCE)
        if message["parent_header"].get("msg_id") != self._id:
            return
        kind, content = message["msg_type"], message["content"]
        self.kinds.add(kind)
        if kind in ("display_data", "update_display_data"):
            name = content["transient"].get("display_id")
            assert (kind == "update_display_data") == (name in self.displays)
            self.displays[name] = content["data"]
            self.updates.append((message["header"]["date"], content["data"]))
        elif kind == "execute_result":
            self.displays["result"] = content["data"]
        elif kind == "stream":
            self.printed += content["text"]
        elif kind == "error":
            self.errors.append(content)
        elif kind == "status":
            self._idle = content["execution_state"] == "idle"


class Kernel:
    """A running kernel."""

    def __init__(self, manager, client):
        self._manager = manager
        self._client = client

    def start(self, code):
        """Run a cell, and do not wait for its end."""
        return Cell(self._client, code)

    def run(self, code):
        """Run a cell to its end; it must not fail."""
        cell = self.start(code)
        reply = cell.result()
        assert reply["status"] == "ok", reply
        return cell

    def interrupt(self):
        """Do what the stop button does."""
        self._manager.interrupt_kernel()
