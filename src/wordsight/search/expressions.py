"""Syntax of expressions that filter pictures, such as `width >= 800 and place = "the lake"`."""

import re
from typing import NamedTuple

from wordsight.errors import InputError

_TOKEN = re.compile(r"""\s*(?:(?P<quoted>"[^"]*"|'[^']*')|(?P<operator><=|>=|!=|=|<|>|~)|(?P<word>[^\s"'<>=!~]+))""")
_HELP = 'expected conditions such as width >= 800 and path ~ "*/lake/*"'


class Condition(NamedTuple):
    """`name operator value`, as typed."""

    name: str
    operator: str
    value: str


def parse(text: str) -> list[Condition]:
    """Parse an expression to its conditions, all of which must hold.

    Raises:
        InputError: the text is no expression; the message says where it went wrong.
    """
    tokens = _tokens(text)
    found = []
    for start in range(0, max(len(tokens), 1), 4):
        part = tokens[start : start + 4]
        kinds = [kind for kind, _ in part[:3]]
        if len(kinds) < 3 or kinds[0] == "operator" or kinds[1] != "operator" or kinds[2] == "operator":
            raise InputError(f"{text!r}, condition {start // 4 + 1}: {_HELP}.")
        if len(part) == 4 and ((part[3] != ("word", "and") and part[3] != ("word", "AND")) or start + 4 == len(tokens)):
            raise InputError(f"{text!r}, after condition {start // 4 + 1}: expected 'and' and another condition.")
        found.append(Condition(*(value for _, value in part[:3])))
    return found


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise InputError(f"{text!r}, at {text[at:].strip()[:20]!r}: {_HELP}.")
        value = match[match.lastgroup]
        found.append((match.lastgroup, value[1:-1] if match.lastgroup == "quoted" else value))
        at = match.end()
    return found
