"""Search a folder of pictures by a sentence, and draw which box matched which words.

python examples/search_folder.py FOLDER "a dog on the beach" OUT
"""

import sys
from pathlib import Path

from wordsight import Index, load


def main(folder: Path, sentence: str, out: Path) -> None:
    """Index the folder in OUT, search it, and draw the first three pictures there."""
    index = Index.create(out / "index")
    index.build(folder)
    found = index.search(sentence, top=3)
    print(found)
    model = load()
    for rank, hit in enumerate(found.hits, 1):
        model.align(hit.path, sentence, beta=0.5).draw(hit.path, out / f"{rank}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
