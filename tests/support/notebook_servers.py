"""JupyterLab as a server in a process of its own."""

from __future__ import annotations

import contextlib
import json
import queue
import re
import subprocess
import sys
import threading

import requests
from browser import PATIENCE
from kernels import environment

_ADDRESS = re.compile(r"http://(127\.0\.0\.1|localhost):\d+\S*")
_LAB = "--no-browser --allow-root --ip=127.0.0.1 --port=0 --ServerApp.token=seen".split()


@contextlib.contextmanager
def jupyterlab(home, work, **variables):
    """The address of a JupyterLab that has its settings in `home`, and notebooks in `work`."""
    settings = home / ".jupyter/lab/user-settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    # It would ask whether to fetch its news, in front of what is looked at.
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    theme = {"adaptive-theme": True}  # light or dark, as the browser asks for
    (settings / "themes.jupyterlab-settings").write_text(json.dumps(theme))
    with serving("jupyterlab", *_LAB, home=home, work=work, **variables) as address:
        yield address.split("/lab")[0].rstrip("/")


@contextlib.contextmanager
def serving(module, *options, home, work, **variables):
    """Run a server, with these environment variables; the address that it says."""
    server = subprocess.Popen(
        [sys.executable, "-m", module, *options],
        cwd=work,
        env=environment(home, no_proxy="127.0.0.1", PYTHONUNBUFFERED="1", **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = queue.SimpleQueue()

    # A pipe that is not read would stop the server when it is full.
    def read():
        for line in server.stdout:
            said.put(line)
        said.put(None)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        address = None
        while address is None:
            line = said.get(timeout=PATIENCE)
            assert line is not None, "the server has ended"
            address = _ADDRESS.search(line)
        yield address[0]
    finally:
        server.terminate()
        try:
            server.wait(PATIENCE / 2)
        except subprocess.TimeoutExpired:
            # Its kernels look whether it is there, and end by themselves.
            server.kill()
            server.wait(PATIENCE)
        reader.join()
        server.stdout.close()


def has_idle_kernel(address):
    """Whether a kernel of this JupyterLab is ready, and a page is connected to it."""
    answer = requests.get(f"{address}/api/kernels?token=seen", timeout=PATIENCE)
    # The server fails to list a kernel that is just being started.
    return answer.ok and any(
        each["connections"] and each["execution_state"] == "idle" for each in answer.json()
    )
