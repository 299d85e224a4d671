"""Sentence -> words, the paper's way: lowercase, only letters and digits."""


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
