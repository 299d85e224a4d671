"""Penn Treebank tokenisation of captions as in coco-caption: lowercase, without punctuation.

coco-caption runs Stanford's PTBTokenizer (CoreNLP 3.4.1, `-lowerCase`) in Java and then drops a list of tokens. These
rules do the same for captions: contractions are split (do n't, man 's, can not); hyphens, slashes, times, acronyms and
abbreviations are kept (black-and-white, 1:20, u.s.). They gave the same tokens for each of 41,005 captions of COCO and
Flickr8K; HTML with attributes, telephone numbers, emoticons like ^_^ may differ.

As in any lexer the longest match wins, including lookahead, the first among equals. Some tokens surprise, and metrics
depend on them: brackets stay, as -lrb- and -rrb-; "!" is dropped but "!!" stays; "AT&T" is one token,
"at&t" three. In scripts without spaces between words each character is a token; coco-caption leaves sentences whole.
"""

import re
import unicodedata
from functools import cache, lru_cache

from wordsight.text.tokens import is_mark, spaced

NAME = "PTB (CoreNLP 3.4.1, lowercase, without punctuation; as coco-caption)"

PUNCTUATION = frozenset(
    ("''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";")
)
"""Tokens that coco-caption drops. Its brackets are in capitals, so they never equal a lowercase token."""

# Abbreviations keep their dot: these always, the next only with a capital, the last only before a number.
_ABBREVIATIONS = """adj adm adv al ala alex apr ariz assn assoc asst atty attys aug ave bancorp bhd bldg blvd brig bros
    calif capt cf cie cmdr co col colo comdr conn corp cos cpl ct dak dec dept det dr drs elec ens esq est etc ext feb
    fla fri ft ga gen gov govs hon inc ind insp intl invt jan jos jr jul jun kan kans ky lieut lt ltd maj mar md messrs
    mfg mich minn mlle mme mo mon mont mr mrs ms msgr mt mtg natl neb nev nov oct okla penn pfc ph ph.d plc ppte pptes
    ppty pptys pres prof profs pte ptes pty ptys pvt rd rep reps rev rt sen sens sep sept seq sfc sgt spc sq sr st ste
    supt supts sys tel tenn thu thurs treas tue tues univ va vs vt wed wis wisc wm wyo"""
_CAPITALISED = "Ark Az Del Ill La Mass Miss Ore Pa Tex Wash"
_NUMBERED = "art ca fig figs no nos op pp prop"
# Tokens with an apostrophe that is not a contraction's.
_ELISIONS = r"""o'er e'er ne'er ev'ry cap'n c'mon d'ye s'mores nor'easter nat'l ol' dunkin' somethin' [djl]' 'n'? 'em
    'till? 'cause '[2-9]0s '\d\d(?=\s)"""


def _any(words: str) -> str:
    return "|".join(words.split())


_MARKS = "".join(filter(is_mark, map(chr, range(0x300, 0x12000))))  # of all living scripts
_L = rf"(?:[^\W\d_²³¹¼-¾⅐-⅞][{_MARKS}]*)"  # a letter of any script, with its marks
_N = rf"(?:{_L}|\d)"
_WORD = rf"{_L}{_N}*(?:[.!?]{_L}{_N}*)*"
_NUMBER = r"(?:\d*(?:[.:,]\d+)+|\d+)"
_PART = rf"(?:[dlo]'(?=[a-z\d]))?(?:{_N}+|{_NUMBER})"  # of a compound: o'clock, 1.5

# Group 1 is the token; the rest of the match is lookahead.
_RULES = (
    r"(can)not",
    r"(gon(?=na)|wan(?=na)|got(?=ta)|gim(?=me)|lem(?=me))..(?![a-z])",
    r"('t)(?:is(?![a-z])|was)",
    rf"({_WORD})'(?:[msd]|re|ve|ll)",
    r"([a-z]*[a-mo-z])n't",
    rf"({_WORD})",
    r"('(?:[msd]|re|ve|ll)|n'ts?)(?![a-z])",
    rf"({_any(_ELISIONS)})",
    r"(y')[a-z]",
    rf"((?-i:[A-HJ-XZn])'[a-z]{{2}}{_N}*)",  # O'Neill, n'sync
    rf"([a-z]+[aeiouy]'(?-i:[aeiouA-Z]){_N}*)",  # ma'am
    r"(')[a-z]{2}",  # an opening quote
    r"((?:https?://|www\.)[^\s<>\"()]*[\w/])",
    r"((?:[a-z\d]+\.)+(?:com|net|org|edu)(?:/[^\s<>\"()]*[\w/])?)(?![a-z])",
    r"(<?[a-z\d][\w.+-]*@[\w.-]*\w>?)",
    rf"(@[a-z_]\w*|#{_L}{_N}*)",
    r"(\d{1,2}[-/]\d{1,2}[-/]\d{2,4}|(?:\d{1,4}-)?\d{1,4}/\d{1,4})",
    rf"([-+]?{_NUMBER})",
    rf"({_PART}(?:[-_]{_PART})*)",
    rf"({_N}(?:{_N}|[.,])*(?:-(?:[a-z](?:\.[a-z])+\.|{_N}+))+)",  # black-and-white
    rf"({_N}+(?:-{_L}+){{0,2}}(?:/{_N}+(?:-{_L}+){{0,2}}){{1,2}})",  # refrigerator/freezer
    r"((?-i:[A-Z]+(?:[+&][A-Z]+)+|[A-Z]+\$)|c\+\+)",
    r"([a-z](?:\.[a-z])+\.|[a-z]\.(?! $))",  # u.s.; but the dot of one letter at the end ends the caption
    rf"((?:{_any(_ABBREVIATIONS)}|(?-i:{_any(_CAPITALISED)}))\.)",
    rf"((?:{_WORD}|{_PART}(?:[-_]{_PART})*)\.)[,;:]",
    rf"((?:{_any(_NUMBERED)})\.)(?= ?\d)",
    r"([<>]?[:;=][-o*']?(?-i:[()DP\\{@|\[\]]))(?![a-z])",
    r"(-[lr][rcs]b-)",
    r"(</?[a-z!?][^<>]*>)",
    r"(\.\.\.+|[?!]+|\*+|@+|#+|_+|<<|>>|''|``|-{5,}|-{1,4})",
    r"(.)",
)


@cache
def _rules() -> tuple[re.Pattern[str], ...]:
    """The rules, compiled at the first caption, as that is slow."""
    return tuple(re.compile(rule, re.IGNORECASE) for rule in _RULES)


# Characters that the tokeniser replaces or drops.
_REPLACED = str.maketrans(
    {char: "'" for char in "’‘‛"}
    | {char: '"' for char in "“”„«»‹›"}
    | {char: " -- " for char in "–—―‒"}
    | {char: "-" for char in "‐‑"}
    | {char: " " for char in "\u200b\ufeff"}
    | {"…": " ... ", "\u00ad": None, "\u200c": None, "\u200d": None}
)
_ENTITIES = re.compile("&(amp|lt|gt|quot|apos);")
_ENTITY = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_WRITTEN = (
    {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
    | {"£": "#", "€": "$", "¤": "$", "¢": "cents", '"': "''"}
    | {char: unicodedata.normalize("NFKC", char).replace("\N{FRACTION SLASH}", "/") for char in "¼½¾⅓⅔⅛⅜⅝⅞"}
)


def tokenise(caption: str) -> list[str]:
    """The tokens of a caption.

    Args:
        caption: any text; line breaks are spaces.

    Returns:
        Lowercase tokens in order, without those of `PUNCTUATION`; may be empty.
    """
    if "&" in caption:
        caption = _ENTITIES.sub(lambda found: _ENTITY[found[1]], caption)
    if not caption.isascii():
        caption = spaced(unicodedata.normalize("NFC", caption).translate(_REPLACED))
    pieces = caption.split()
    tokens: list[str] = []
    for number, piece in enumerate(pieces, 1):
        after = pieces[number][0] if number < len(pieces) else ""
        tokens += _lex(piece, "0" if after.isdigit() else after and "a")
    return tokens


@lru_cache(maxsize=1 << 16)
def _lex(piece: str, after: str) -> tuple[str, ...]:
    """The tokens of a piece without spaces; the next piece begins with "0" (any digit), "a" (anything else) or not."""
    text, place, tokens = f"{piece} {after}", 0, []
    while place < len(piece):
        found = max(filter(None, (rule.match(text, place) for rule in _rules())), key=re.Match.end)
        place = found.end(1)
        token = _written(found[1].lower())
        if token and token not in PUNCTUATION:
            tokens.append(token)
    return tuple(tokens)


def _written(token: str) -> str:
    """A token as it is printed; empty for an emoji or an accent on its own."""
    if token in _WRITTEN:
        return _WRITTEN[token]
    if token.strip(".") == "" or (token.strip("-") == "" and len(token) <= 4):
        return ""
    if len(token) == 1 and (ord(token) > 0xFFFF or unicodedata.category(token)[0] in "CM"):
        return ""
    return token.replace("(", "-lrb-").replace(")", "-rrb-")
