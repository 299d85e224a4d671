"""Sentence -> words, the paper's way: lowercase, only letters and digits."""

_DETERMINERS = (
    "a an the this that these those some any each other another its his her their one two three four five six several "
    "many few both all"
)
_JOINING = "it he she they in on at of with and or to from by for as than then there is are was be while"
JOINING_WORDS = frozenset(_JOINING.split())  # the name of a thing does not begin with them
FUNCTION_WORDS = JOINING_WORDS.union(_DETERMINERS.split())  # they are seen nowhere in a picture


def tokenise(sentence: str) -> list[str]:
    """The words of a sentence.

    The sentence is lowercased and split on white space; what is neither letter nor digit (in any script) is dropped
    from each piece, and pieces with nothing left are dropped: "Don't!" is one word, "dont", and " - " is none.

    Args:
        sentence: any text.

    Returns:
        The words in order; empty when there are none.
    """
    words = []
    for piece in sentence.lower().split():
        word = piece if piece.isalnum() else "".join(filter(str.isalnum, piece))
        if word:
            words.append(word)
    return words
