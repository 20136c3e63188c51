"""Code as a user would write it, which uses every public name; it is type-checked, not run."""

from __future__ import annotations

from typing import List

import qwen25
from qwen25 import (
    AuthenticationError,
    Client,
    ConnectionFailedError,
    Conversation,
    EndpointNotFoundError,
    GenerationError,
    InvalidRequestError,
    NoSpaceAnsweredError,
    Note,
    Progress,
    ProtocolError,
    Queued,
    QueueFullError,
    QwenError,
    RateLimitError,
    Space,
    SpaceError,
    SpaceNotFoundError,
    SpaceOptions,
    SpaceUnavailableError,
    Started,
    Step,
    Stream,
    StreamInterruptedError,
    Text,
    Thought,
    TimedOutError,
    Timeout,
    UnknownModelError,
)


def ask(client: Client) -> str:
    pieces: List[str] = []
    stream: Stream = client.stream("Hi", model="7B", timeout=Timeout(idle=5))
    with stream:
        for piece in stream:
            pieces.append(piece)
    rewritten: bool = stream.rewritten
    text: str = stream.text
    name: str = stream.event_id + stream.session_hash
    return "".join(pieces) + text + name + str(rewritten) + stream.result()


def watch(client: Client) -> None:
    for event in client.stream("Hi", history=[{"role": "user", "content": "x"}]).events():
        if isinstance(event, Queued):
            place: int = event.rank + event.size
            eta: float = event.eta or place
        elif isinstance(event, Started):
            eta = event.eta or 0.0
        elif isinstance(event, Progress):
            step: Step
            for step in event.steps:
                print(step.desc, step.progress)
        elif isinstance(event, Note):
            print(event.level, event.text, eta)
        elif isinstance(event, Thought):
            print(event.title, event.text)
        elif isinstance(event, Text):
            print(event.piece)


def talk(client: Client) -> Conversation:
    conversation = client.conversation(system="Be brief.")
    conversation.send("Hi")
    for piece in conversation.stream("And now?"):
        print(piece)
    conversation.undo()
    conversation.clear()
    conversation.save("talk.json")
    return Conversation.load("talk.json", client)


def recover(client: Client) -> str:
    try:
        return client.complete("Hi")
    except UnknownModelError as error:
        return ", ".join(error.choices) + str(error.model)
    except InvalidRequestError as error:
        return str(error)
    except SpaceUnavailableError as error:
        return str(error.stage)
    except EndpointNotFoundError as error:
        return ", ".join(error.endpoints)
    except SpaceNotFoundError as error:
        return str(error.url)
    except SpaceError as error:
        return str(error.space)
    except NoSpaceAnsweredError as error:
        return ", ".join(str(each) for each in error.errors)
    except AuthenticationError as error:
        return str(error.status)
    except (RateLimitError, QueueFullError) as error:
        return str(error.retry_after)
    except StreamInterruptedError as error:
        return error.partial
    except ConnectionFailedError as error:
        return str(error.__cause__)
    except TimedOutError as error:
        return str(error.phase)
    except GenerationError as error:
        return str(error.detail)
    except ProtocolError as error:
        return str(error.hint)
    except QwenError as error:
        return error.partial


def several() -> List[str]:
    copy = SpaceOptions("me/copy", token="hf_...", auth=("me", "secret"))
    with Client(["Qwen/Qwen2.5", copy]) as client:
        with client.stream("Hi") as stream:
            print(stream.result(), stream.space)
        return [f"{space.name}: {space.state}" for space in client.spaces]


def main() -> None:
    space: Space
    with Client("Qwen/Qwen2.5", token=False, auth=("me", "secret"), verify="ca.pem") as client:
        sizes: List[str] = client.models
        space = client.space
        print(sizes, space.url, space.id, space.version, space.protocol, space.endpoint)
        print(ask(client), talk(client), recover(client), several())
        for answer in client.map(["One", "Two"], workers=2, ordered=False):
            print(answer.index, answer.text, answer.error, answer.seconds, answer.attempts)
        watch(client)
    print(qwen25.complete("Hi"), list(qwen25.stream("Hi")), qwen25.__version__)
