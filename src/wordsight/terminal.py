"""Text for a terminal: names of files are data, and must not move its cursor, break a line or hide themselves."""

import unicodedata

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))  # controls, formats (bidi overrides), surrogates, separators
_JOINERS = frozenset("\u200c\u200d")  # part of words in Persian, Hindi and others, and of emoji


def printable(text: object, *, lines: bool = False) -> str:
    r"""Text with an escape such as `\x1b` in place of each character that a terminal would obey and not show.

    Args:
        text: a name or a message.
        lines: keep line feeds and tabs, for text of several lines.
    """
    kept = _JOINERS | set("\n\t") if lines else _JOINERS
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(
        one.encode("unicode_escape").decode() if one not in kept and unicodedata.category(one) in _HIDDEN else one
        for one in plain
    )
