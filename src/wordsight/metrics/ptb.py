"""Penn Treebank tokenisation of captions as in coco-caption: lowercase, without punctuation.

coco-caption runs Stanford's PTBTokenizer (CoreNLP 3.4.1, `-preserveLines -lowerCase`) in Java and then drops a list of
tokens. These rules do the same: contractions are split (do n't, man 's, can not); hyphens, slashes, times, acronyms and
abbreviations are kept (black-and-white, 1:20, u.s.). `benchmarks/tokens.py` counts the captions that differ: 17 of
11,991 made to be hard, 5 of 230,147 from COCO and Flickr8K. Those 5 end in one letter with a full stop, and the next
caption begins with "A": coco-caption reads on into the next line, these rules read each caption by itself.

As in any lexer the longest match wins, including lookahead; of equals, the first. Some tokens surprise, and metrics
depend on them: brackets stay, as -lrb- and -rrb-; "!" is dropped but "!!" stays; "AT&T" is one token, "at&t" three;
a letter keeps its full stop ("plan b."); words with combining marks are no part of a compound with a hyphen.

Deliberately unlike coco-caption: texts are brought to NFC first; letters and marks of every living script are letters,
also those that its lexer drops (Kannada, Sinhala, Tibetan, newer letters), and joiners join; a mark alone is no token;
in scripts without spaces between words each character, with its marks, is a token, where coco-caption leaves sentences
whole.
"""

import re
import unicodedata
from functools import cache, lru_cache

from wordsight.text.tokens import is_mark, spaced, without_surrogates

NAME = "PTB (CoreNLP 3.4.1, lowercase, without punctuation; as coco-caption)"

PUNCTUATION = frozenset(
    ("''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";")
)
"""Tokens that coco-caption drops. Its brackets are in capitals, so they never equal a lowercase token."""

# Abbreviations keep their full stop: the first match with two characters of lookahead, the last only before a number.
_CUT = """al ala apr ariz assn aug bancorp bhd bros calif co colo conn corp cos ct dak dec ed.d esq est etc ext feb fla
    fri ga inc ind intl jan jr jul jun kan kans ky ltd mar md mich minn mo mon mont neb nev nov oct okla penn ph.d plc
    ppte pptes ppty pptys pte ptes pty ptys sep sept seq sq sr sys tel tenn thu thurs tue tues univ va vt wed wis wisc
    wyo"""
_CUT_CAPITALISED = "Ark Az Del Ill La Mass Miss Ore Pa Tex Wash"
_ABBREVIATIONS = """adj adm adv asst assoc atty attys ave bldg blvd brig capt cf cie cmdr col comdr cpl dept det dr drs
    elec ens fr ft gen gov govs hon insp invt jos lieut lt maj messrs mfg mlle mme mr mrs ms msgr mt mtg natl pfc ph
    pres prof profs pvt rd rep reps rev rt sen sens sfc sgt spc st sta ste supt supts treas v vs wm"""
_NUMBERED = "art ca fig figs no nos op pp prop"
# After a single letter with a full stop they begin a sentence: the stop is no part of "Plan B. It works".
_BEGINNINGS = """A About According Additionally After An As At But Earlier He Her Here However If In It Last Many More
    Now Once One Other Our She Since So Some Such That The Their Then There These They This We What When While Yet
    You"""
# Tokens whose apostrophe does not belong to a contraction.
_ELISIONS = r"""o'er e'er ne'er ev'ry cap'n c'mon d'ye s'mores nor'easter nat'l ol' dunkin' somethin' [djl]' 'n'? 'em
    'till? 'cause '[2-9]0s '\d\d(?=\s)"""

_TAG = (
    r"""(?:</?[a-z][\w:-]*(?:[\s\ue000]+[a-z][\w:-]*(?:=(?:"[^"<>]*"|'[^'<>]*'))?)*[\s\ue000]*/?>|<[!?][a-z-][^<>]*>)"""
)
_JOINT = "\ue000"  # stands for a space within a token
_SPACED = re.compile(  # fractions, telephone numbers and HTML may have spaces
    rf"{_TAG}|(?<![^\W_])(?:\d{{1,4}} \d{{1,4}}/\d|\(\d{{2,3}}\) (?=\d{{3,4}}[- ]?\d{{3,5}}))", re.IGNORECASE
)


def _rule_texts() -> tuple[str, ...]:
    """The rules; group 1 is the token, the rest of the match is lookahead."""
    every = list(map(chr, range(0x80, 0x12000)))
    marks = "".join(filter(is_mark, every))
    counted = "".join(char for char in every if char.isnumeric() and not char.isalpha() and not char.isdecimal())
    bare = rf"[^\W\d_{counted}]"  # a letter of any script
    plain = rf"[^\W_{counted}]"  # or a digit
    letter = rf"(?:{bare}|[{marks}]|&[aeiou](?:acute|grave|uml);)"
    either = rf"(?:{letter}|\d)"
    word = rf"{letter}{either}*(?:[.!?]{letter}{either}*)*"
    number = r"(?:\d*(?:[.:,]\d+)+|\d+)"
    part = rf"(?:[dlo]'{plain})?(?:{plain}+|\d+(?:[.:,]\d+)+)"  # of a compound: o'clock, 1.5; one way to read digits
    compound = rf"{part}(?:[-_]{part})*"
    slashed = r"[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}"
    hyphened = r"(?-i:[A-Za-z0-9][A-Za-z0-9.,]*(?:-(?:[A-Za-z](?:\.[A-Za-z])+\.|[A-Za-z0-9]+))+)"  # black-and-white
    path = r"(?:/[^\s<>|\"()]+[^\s<>|\"(){}.,!?-])?"
    return (
        r"(can)not",
        r"(gon(?=na)|wan(?=na)|got(?=ta)|gim(?=me)|lem(?=me))..(?![a-z])",
        r"('t)(?:is|was)",
        rf"({word})'(?:[msd]|re|ve|ll)",
        r"([a-z]*[a-mo-z])n't",
        rf"({word})",
        r"('(?:[msd]|re|ve|ll)|n'ts?)[^a-z]",
        rf"({_any(_ELISIONS)})",
        r"(y')[a-z]",
        rf"((?-i:[A-HJ-XZn])'{bare}{{2,}})",  # O'Neill, n'sync
        rf"({bare}+[aeiouy]'(?-i:[aeiouA-Z]){either}*)",  # ma'am
        r"(')[a-z]\S",  # an opening quote
        r"(https?://[^\s<>|\"()]+[^\s<>|\"(){}.,!?-])",
        rf"(www\.(?:[^\s<>|\"(){{}}.,!?]+\.)+[a-z]{{2,4}}{path})",
        rf"((?-i:[^\s<>|\"'`(){{}}!$?\x2c-\x5f]+\.)+(?:com|net|org|edu){path})",
        r"(<?[a-z\d][^\s\"<>|(){}]*@(?:[^\s\"<>|(){}.]+\.)*[^\s\"<>|(){}.]+>?)",
        rf"(@[a-z_][a-z_\d]*|#{letter}{either}*)",
        rf"(\d{{1,2}}[-/]\d{{1,2}}[-/]\d{{2,4}}|(?:\d{{1,4}}[-{_JOINT}])?\d{{1,4}}/\d{{1,4}})",
        rf"(\(\d{{2,3}}\){_JOINT}?\d{{3,4}}-?\d{{3,5}})",
        rf"([-+]?{number})",
        rf"((?:{_any(_CUT)}|(?-i:{_any(_CUT_CAPITALISED)}))\.)..",
        rf"({compound})",
        rf"({hyphened})",
        rf"((?-i:{slashed}(?:/{slashed}){{1,2}}))",  # refrigerator/freezer
        r"((?-i:[A-Z]+(?:[+&][A-Z]+)+|[A-Z]+\$)|c\+\+)",
        r"((?:[a-z]\.){2,}|[a-z]\.(?! (?-i:A)))",  # u.s., plan b.; but not "Plan B. It"
        rf"((?:{_any(_ABBREVIATIONS)})\.)",
        rf"((?:{word}|{compound}|{hyphened})\.)[,;:]",
        rf"((?:{_any(_NUMBERED)})\.)(?= ?\d)",
        r"([<>]?[:;=][-o*']?(?-i:[()DP\\{@|\[\]]))(?![a-z])",
        r"([-^x=~<>']_[-^x=~<>']|\([-^x=~<>'][_.]?[-^x=~<>']\)|\([\^x=~<>']-[\^x=~<>'`]\))",  # ^_^
        r"(-[lr][rcs]b-)",
        rf"({_TAG})",
        r"(&#\d+;)",
        r"(\.\.\.+|[?!]+|\*+|@+|#+|_+|<<|>>|''|``|-{5,}|-{1,4}|[“”„‟«»‹›‚]{1,2})",
        r"(.)",
    )


def _any(words: str) -> str:
    return "|".join(sorted(words.split(), key=len, reverse=True))


@cache
def _rules() -> tuple[re.Pattern[str], ...]:
    """The rules, compiled when first needed, as compiling is slow."""
    return tuple(re.compile(rule, re.IGNORECASE) for rule in _rule_texts())


# Characters that the tokeniser replaces or drops.
_REPLACED = str.maketrans(
    {char: "'" for char in "’‘‛"}
    | {char: " -- " for char in "–—―‒"}
    | {char: "-" for char in "‐‑"}
    | {char: " " for char in "\u200b\ufeff"}
    | {"…": " ... ", "\u00ad": None, "\u200c": None, "\u200d": None, _JOINT: None}
)
_ENTITIES = re.compile("&(amp|lt|gt|quot|apos|nbsp|mdash|ndash);")
_ENTITY = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "nbsp": " ", "mdash": " -- ", "ndash": " -- "}
_QUOTES = {"“": "``", "«": "``", "”": "''", "»": "''", "‹": "`", "›": "'"}
_WRITTEN = (
    {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
    | {"£": "#", "€": "$", "¤": "$", "₠": "$", "¢": "cents", '"': "''"}
    | {char: unicodedata.normalize("NFKC", char).replace("\N{FRACTION SLASH}", "/") for char in "¼½¾⅓⅔"}
)
# Characters other than letters and digits that are tokens; the rest, such as most emoji, are dropped.
_SYMBOLS = re.compile(
    "[!-~¡¥-©¬®-´¶-¹¿×÷˂-˅˒-˟˥-˫˭˯-˿͵΄΅϶՚-՟։־׀׃׆׳״\u0600-\u0603؆-،؛؞؟٪٭۔\u06dd۞۩۽۾܀-܍\u070f߶-߸।॥฿๏᾽‖‗‚„-‣‰-‸"
    "※‾-⁂⁄⁰⁴-⁾₀-₎₤℀℁℃-℆℈℉℔№-℘℞-℣℥℧℩℮℺℻⅀-⅄⅊-⅍⅏⅕-⅞←-\u2328\u232b-\u2426\u2440-\u244a①-⫛⫝-⭳⭶-⮕⮗-⯿、。〒・！-／：-＠［-｀｛-･￠￡￥￦]"
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
        caption = spaced(unicodedata.normalize("NFC", without_surrogates(caption)).translate(_REPLACED))
    caption = _SPACED.sub(lambda found: found[0].replace(" ", _JOINT), caption)
    pieces = caption.split()
    tokens: list[str] = []
    for number, piece in enumerate(pieces, 1):
        tokens += _lex(piece, _kind(pieces[number]) if number < len(pieces) else "")
    return tokens


def _kind(piece: str) -> str:
    """How a piece begins: "0" with a digit, "A" like a sentence, "a" with anything else."""
    if piece[0].isdigit():
        return "0"
    begins = piece[0].isupper() and piece.capitalize() in _BEGINNINGS.split()
    return "A" if begins or re.match("</?[a-zA-Z]", piece) else "a"


@lru_cache(maxsize=1 << 16)
def _lex(piece: str, after: str) -> tuple[str, ...]:
    """The tokens of a piece without spaces; `after` is the kind of the next one."""
    text, place, tokens = f"{piece} {after}  ", 0, list[str]()
    while place < len(piece):
        found = max(filter(None, (rule.match(text, place) for rule in _rules())), key=re.Match.end)
        place = found.end(1)
        tokens += _written(found[1].lower()).split(_JOINT)
    return tuple(token for token in tokens if token and token not in PUNCTUATION)


def _written(token: str) -> str:
    """A token as it is printed; empty for an emoji or an accent on its own."""
    if token in _WRITTEN:
        return _WRITTEN[token]
    if token.strip(".") == "" or (token.strip("-") == "" and len(token) <= 4):
        return ""
    if len(token) == 1 and not (token.isalpha() or token.isdecimal() or _SYMBOLS.match(token) or token in _QUOTES):
        return ""
    if len(token) <= 2:
        token = "".join(_QUOTES.get(char, char) for char in token)
    return token.replace("(", "-lrb-").replace(")", "-rrb-")
