"""Region captions inferred by an alignment model, the training data of region captioners.

Karpathy & Fei-Fei 2015, sections 3.1.4 and 3.2: the chain MRF cuts each training sentence into segments, each on one
region of its picture. A segment is a span of words such as "and a dog on the"; its name is "a dog", which is the
target unless `names` is False.
"""

import torch

from wordsight.batch import Words
from wordsight.errors import InputError
from wordsight.matching.matcher import Matcher
from wordsight.matching.segments import BETA, Grouping, function_word_mask, segments
from wordsight.runs.pairs import Pairs, RegionTable
from wordsight.text.names import Roles
from wordsight.text.vocabulary import UNKNOWN, Vocabulary

ROWS = 50  # pictures whose sentences are aligned at once


@torch.no_grad()
def snippets(model: Matcher, vocabulary: Vocabulary, pairs: Pairs, *, beta: float = BETA, names: bool = True) -> Pairs:
    """Region captions from all sentences.

    Args:
        model: an aligner in evaluation mode; it needs no query bank, and is faster without.
        vocabulary: of the pairs.
        pairs: pictures and sentences.
        beta: reward of two neighbouring words for sharing a region, see `matching/segments.py`.
        names: keep only the name in each segment (see `text/names.py`), if it has no unknown word and its region is not
            the whole picture; False keeps all segments with a content word, unchanged.

    Raises:
        InputError: there are no region captions.
    """
    pictures, regions, said = [], [], []
    device, first = next(model.parameters()).device, 0
    roles, unknown = Roles.count(pairs.words, vocabulary), vocabulary.number[UNKNOWN]
    trained = vocabulary.trained or len(vocabulary)
    for batch in pairs.by_picture(ROWS):
        images, words = model.image_vectors(batch.regions.to(device)), batch.words.to(device)
        grouping = Grouping(function_word_mask(words, vocabulary), torch.zeros_like(words.ids))  # without noun phrases
        texts = model.text_vectors(words)
        found = segments(images[batch.picture.to(device)], texts, beta, grouping, model.evidence)
        for row, padded, mask, phrases in zip(
            batch.picture.tolist(), batch.words.ids, batch.words.mask, found, strict=True
        ):
            ids = padded[mask].tolist()
            spans = [(phrase.start, phrase.end) for phrase in phrases]
            for phrase, span, (start, end) in zip(phrases, spans, roles.names(ids, spans), strict=True):
                some = ids[start:end] if names else ids[slice(*span)]
                some = [word if word < trained else unknown for word in some]
                if names and (phrase.region == 0 or unknown in some):
                    continue
                if not all(roles.nothing[word] for word in some):
                    pictures.append(first + row)
                    regions.append(phrase.region)
                    said.append(torch.tensor(some))
        first += len(batch.regions.mask)
    if not said:
        raise InputError("data.alignment: no region is named by any sentence; expected a run that tells regions apart.")
    lengths = torch.tensor([len(ids) for ids in said])
    padded = torch.nn.utils.rnn.pad_sequence(said, batch_first=True)
    words = Words(padded, torch.arange(padded.shape[1]) < lengths[:, None])
    table = RegionTable(pairs.table, torch.tensor(pictures), torch.tensor(regions))
    return Pairs(table, words, torch.arange(len(table)))
