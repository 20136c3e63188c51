"""Stop `qwen25 serve` while it answers, many times: `python tests/local/stop_rounds.py 100`.

Prints each round that did not end with the documented exit code, then the counts. The packages are
imported once; each round is a fork that loads the model.
"""

import collections
import os
import random
import signal
import sys
import threading

import fastapi  # noqa: F401
import gradio  # noqa: F401
import requests
import uvicorn  # noqa: F401
import xllamacpp  # noqa: F401

from qwen25.cli import main

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
PROMPTS = ("Tell me a very long story about a cat, a dog and a bird.", "word " * 3000)


def serve(output):
    """In the child: run the command, with its words going to a pipe."""
    os.dup2(output, 2)
    sys.argv = ["qwen25", "serve"]
    sys.exit(main())


def ask(url, prompt, session, first):
    """Ask, and set the event `first` when the first piece has come."""
    question = {"data": [prompt, [], "", "72B"], "fn_index": 3, "session_hash": session}
    requests.post(f"{url}/gradio_api/queue/join", json=question, timeout=60).raise_for_status()
    try:
        where = f"{url}/gradio_api/queue/data"
        stream = requests.get(where, params={"session_hash": session}, stream=True, timeout=60)
        for line in stream.iter_lines(chunk_size=1):
            if b"process_generating" in line:
                first.set()
    except requests.RequestException:
        pass  # the Space was stopped


def stop_once(number, sent):
    """One round: the exit code, and what the command said after its first two lines."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        serve(writer)
    os.close(writer)
    with os.fdopen(reader) as words:
        words.readline()
        url = next(word for word in words.readline().split() if word.startswith("http"))
        first = threading.Event()
        for user in range(random.choice((1, 1, 2))):
            asking = (url, random.choice(PROMPTS), f"{number}-{user}", first)
            threading.Thread(target=ask, args=asking, daemon=True).start()
        first.wait(60)
        threading.Event().wait(random.random())
        os.kill(process, sent)
        said = words.read()
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), said


def run(rounds):
    codes = collections.Counter()
    for number in range(rounds):
        sent = random.choice(list(CODES))
        code, said = stop_once(number, sent)
        codes[sent.name, code] += 1
        if code != CODES[sent] or said:
            print(f"round {number}: {sent.name} ended with {code}: {said}", flush=True)
    print(dict(codes))


if __name__ == "__main__":
    run(int(sys.argv[1]))
