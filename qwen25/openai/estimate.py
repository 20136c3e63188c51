"""How many tokens a text has, by an estimate; pure.

The Space does not count tokens and its tokenizer is not here, so each kind of character weighs what
it weighs on average in Qwen's tokenizer. An English text comes out within a fifth or so.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, Union

from ..protocol.prompt import Prompt

# Weights in hundredths of a token. A digit is a token of its own there.
_LETTER, _DIGIT, _MARK, _IDEOGRAPH, _OTHER = 22, 100, 55, 70, 45

_LETTERS = re.compile(r"[a-zA-Z\s]+")
_DIGITS = re.compile(r"[0-9]+")
_MARKS = re.compile(r"[!-/:-@\[-`{-~]+")
_IDEOGRAPHS = re.compile("[\u3000-\u9fff\uac00-\ud7ff\uff00-\uffef\U0001f000-\U0003ffff]+")
_KINDS = (
    (_LETTERS, _LETTER),
    (_DIGITS, _DIGIT),
    (_MARKS, _MARK),
    (_IDEOGRAPHS, _IDEOGRAPH),
)

#: Tokens around each message, such as its role.
_FRAME = 4


def weight(text: str) -> int:
    """The tokens of a text in hundredths; those of two texts add up."""
    rest, total = text, 0
    for kind, each in _KINDS:
        if not rest:
            break
        without = kind.sub("", rest)
        total += each * (len(rest) - len(without))
        rest = without
    return total + _OTHER * len(rest)


def tokens(text: str) -> int:
    """The estimated number of tokens of a text."""
    return -(-weight(text) // 100)


def fitting(text: str, limit: int) -> str:
    """As much of a text as weighs no more than a limit in hundredths of a token."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if weight(text[:middle]) <= limit:
            low = middle
        else:
            high = middle - 1
    return text[:low]


def prompt_tokens(prompts: Iterable[Prompt]) -> int:
    """The estimated number of tokens of what is asked."""
    return sum(tokens(text) + _FRAME for prompt in prompts for text in _texts(prompt))


def usage(prompts: Iterable[Prompt], answers: Iterable[str]) -> Dict[str, Any]:
    """OpenAI's `usage`, marked as an estimate."""
    asked, said = prompt_tokens(prompts), sum(map(tokens, answers))
    return {
        "prompt_tokens": asked,
        "completion_tokens": said,
        "total_tokens": asked + said,
        "estimated": True,
    }


def _texts(prompt: Union[str, Prompt]) -> Iterable[str]:
    if isinstance(prompt, str):
        return (prompt,)
    return (message["content"] for message in prompt)
