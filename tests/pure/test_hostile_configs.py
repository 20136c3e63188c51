"""Whatever a configuration says, only errors of this library leave what reads it."""

import copy
import json
import random

import pytest
from walks import PATHS, config_of

from qwen25 import EndpointNotFoundError, ProtocolError, QwenError
from qwen25.protocol.config import Config
from qwen25.protocol.endpoint import find_plan
from qwen25.protocol.inputs import Input
from qwen25.protocol.prompt import ChatRequest, Query
from qwen25.protocol.walk import Walk

CONFIGS = [config_of(path) for path in PATHS if path.parent.name in ("4.44.1", "6.31.0")]
VALUES = (None, True, 0, -1, 7, 10**30, 1.5, "", "x", [], [[]], [None], {}, {"id": 1}, [["a", 1]])


def places(value, place=()):
    """Every place in a configuration: the keys that lead there."""
    if place:
        yield place
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in inner if isinstance(value, (dict, list)) else ():
        yield from (
            places(part, (*place, key)) if isinstance(part, (dict, list)) else [(*place, key)]
        )


def changed(source, config):
    """A configuration with some values changed, taken out, or taken from elsewhere in it."""
    config = copy.deepcopy(config)
    ways = list(places(config))
    for *way, last in source.sample(ways, source.randrange(1, 6)):
        try:
            place = config
            for key in way:
                place = place[key]
            if source.random() < 0.2:
                del place[last]
            else:
                place[last] = copy.deepcopy(source.choice(VALUES))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change has taken the place away
    return config


def test_only_our_errors_leave_discovery_and_the_first_step():
    query = Query.of(
        "Hi", [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    )
    for seed in range(600):
        source = random.Random(seed)
        config = changed(source, source.choice(CONFIGS))
        try:
            plan = find_plan(Config.of(config))
            plan.describe()
            for option in plan.options:
                Input.of(option)
            walk = Walk(plan, ChatRequest(query, flatten=True))
            json.dumps(walk.body("session"))
            if walk.is_last:
                walk.decoder(lambda: None)
        except QwenError:
            continue
        except BaseException as error:
            raise AssertionError(f"seed {seed}") from error


@pytest.mark.parametrize("kind", ["components", "dependencies"])
def test_a_page_of_very_many_parts_is_refused(kind):
    config = copy.deepcopy(CONFIGS[0])
    config[kind] = config[kind][:1] * 20_001
    with pytest.raises(ProtocolError, match="more than 20000"):
        Config.of(config)


def test_a_long_chain_and_a_circle_come_to_an_end():
    config = copy.deepcopy(next(one for one in CONFIGS if len(one["dependencies"]) == 3))
    first = config["dependencies"][0]
    chain = [{**first, "id": number, "trigger_after": number - 1} for number in range(1, 5_000)]
    config["dependencies"] = [{**first, "id": 0}, *chain[:19]]
    assert len(find_plan(Config.of(config)).route.steps) == 20
    config["dependencies"] = [{**first, "id": 0}, *chain]
    with pytest.raises(EndpointNotFoundError):
        find_plan(Config.of(config))
    config["dependencies"] = [{**one, "trigger_after": (one["id"] + 1) % 5} for one in chain[:5]]
    with pytest.raises(QwenError):
        find_plan(Config.of(config))
