"""Say what is in a picture, and where each phrase of the sentence is.

python examples/ground_phrases.py PICTURE OUT.png
"""

import sys
from pathlib import Path

from wordsight import load, load_captioner


def main(picture: Path, out: Path) -> None:
    """Describe the picture; where the model is not certain, its answer says what is probably there."""
    caption = load_captioner().caption(picture)[0][0]
    print(f"{caption.answer}  (said: {caption.text}; certain: {caption.certain})")
    aligned = load().align(picture, caption.text, beta=0.5)
    for segment in aligned.segments:
        print(" ".join(aligned.words[segment.start : segment.end]), [round(edge, 2) for edge in segment.box])
    aligned.draw(picture, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
