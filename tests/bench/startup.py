"""A script from its start to its end, and the import alone."""

from __future__ import annotations

import compileall
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Tuple

from report import Figure, Section, Table, in_turn, ratio
from streams import USUAL, Script

import qwen25

_OURS = """
import sys
from qwen25 import Client
for piece in Client(sys.argv[1]).stream(sys.argv[2]):
    print(piece, end="", flush=True)
"""
_BY_HAND = """
import json, os, sys
import requests, sseclient
url, prompt = sys.argv[1:]
with requests.Session() as http:
    config = http.get(f"{url}/config").json()
    queue = url + config.get("api_prefix", "") + "/queue"
    function, = (f for f in config["dependencies"] if f["api_name"] == "model_chat")
    session = os.urandom(5).hex()
    body = {
        "data": [prompt, [], "", "72B"],
        "fn_index": function["id"],
        "trigger_id": function["targets"][0][0],
        "session_hash": session,
    }
    http.post(f"{queue}/join", json=body).raise_for_status()
    with http.get(f"{queue}/data", params={"session_hash": session}, stream=True) as response:
        chunks = iter(lambda: response.raw.read1(65536, decode_content=True), b"")
        whole = True
        for event in sseclient.SSEClient(chunks).events():
            message = json.loads(event.data)
            if message["msg"] == "process_generating":
                value = message["output"]["data"][1]
                piece = value[-1][1]["text"] if whole else value[0][2]
                print(piece, end="", flush=True)
                whole = False
"""
_SCRIPTS = {"qwen25": _OURS, "requests with sseclient-py": _BY_HAND}
_IMPORTS = ("from qwen25 import Client", "import requests", "import qwen25.client.space_api")
_TIMED_IMPORT = """
import time
before = time.perf_counter()
{}
print(time.perf_counter() - before)
"""


def measure(spaces: Dict[str, str], rounds: int) -> Section:
    compileall.compile_dir(str(Path(qwen25.__file__).parent), quiet=1)
    script = Script(events=20)

    def run(name: str) -> Tuple[float, float]:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.perf_counter()
        text = _run(_SCRIPTS[name], spaces[USUAL], script.prompt)
        wall = time.perf_counter() - begin
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert text == "".join(script.pieces()), text
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return wall, cpu

    def import_time(statement: str) -> float:
        return float(_run(_TIMED_IMPORT.format(statement)))

    in_turn(1, _SCRIPTS, run)  # reads the files into memory
    scripts = in_turn(rounds * 20, _SCRIPTS, run)
    imports = in_turn(rounds * 5, _IMPORTS, import_time)

    def column(name: str, index: int) -> List[float]:
        return [result[index] for result in scripts[name]]

    ours, by_hand = _SCRIPTS
    tables = [
        Table(
            "A whole script: import, connect, one answer",
            ["", "wall ms", "CPU ms"],
            [
                [name, *(f"{statistics.median(column(name, index)) * 1e3:.0f}" for index in (0, 1))]
                for name in _SCRIPTS
            ],
        ),
        Table(
            "Importing",
            ["", "ms"],
            [
                [f"`{statement}`", f"{statistics.median(imports[statement]) * 1e3:.1f}"]
                for statement in _IMPORTS
            ],
        ),
    ]
    figures = [
        Figure(
            "A whole script, over the same by hand", ratio(column(ours, 0), column(by_hand, 0)), 1.1
        ),
        Figure(
            "`from qwen25 import Client` over `import requests`",
            ratio(imports[_IMPORTS[0]], imports[_IMPORTS[1]]),
            0.25,
        ),
    ]
    return Section(tables, figures)


def _run(source: str, *arguments: str) -> str:
    environment = {
        key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
    }
    return subprocess.run(
        [sys.executable, "-c", source, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
        env=environment,
    ).stdout
