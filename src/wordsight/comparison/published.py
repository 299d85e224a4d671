"""Published results on Flickr8K's test split, for the rows of a comparison.

Each belongs to runs whose model has the given name and keywords. The flag is the source of a figure: `F`, a public
document; `R`, recalled from the literature and not checked again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Figures = tuple[float | None, ...]


@dataclass(frozen=True)
class Published:
    """A system of the literature.

    Attributes:
        system: its name.
        paper: authors and year.
        model: the model's name here.
        keywords: keywords of the model here that identify this system, and `rewarded`, whether it learned from its own
            captions; other keywords are free.
        recalls: R@1, 5, 10 of picture to text, then of text to picture, percent; empty where none are published.
        bleu: BLEU-1 to BLEU-4, 0 to 100, where published.
        flag: `F` or `R`, see above.
        note: caveats of the comparison.
    """

    system: str
    paper: str
    model: str
    keywords: Mapping[str, object] = field(default_factory=dict)
    recalls: Figures = ()
    bleu: Figures = ()
    flag: str = ""
    note: str = ""

    def __str__(self) -> str:
        """The figures for a table: "12.6/32.9/44.0, 9.7/29.6/42.5 [F]"."""
        recalls = [_joined(self.recalls[:3]), _joined(self.recalls[3:])] if self.recalls else []
        parts = [*recalls, *([_joined(self.bleu)] if self.bleu else [])]
        return f"{', '.join(parts)} [{self.flag}]" if parts else ""


def _variants(model: str, name: str, paper: str) -> Iterator[Published]:
    """Variants of a recurrent captioner that the paper lacks: what it sees, when, and whether it was rewarded."""
    for image, when in (("first", "sees the picture first"), ("every", "sees the picture at every word")):
        for average, what in ((False, ""), (True, ", and the mean of its regions")):
            for rewarded, how in ((False, ""), (True, ", rewarded")):
                keywords = {"image": image, "average": average, "rewarded": rewarded}
                yield Published(f"{name} that {when}{what}{how}", paper, model, keywords, note="not published")


PAPER = {"normalise": False, "mean": False, "thresholded_sum": False, "context": False}  # of `align`: equation 8 alone
PLAIN_CCA = "not published on Flickr8K; of Fisher vectors 31.0/59.3/73.7, 21.2/50.0/64.8 [F]"
PUBLISHED = (
    Published(
        "DVSA",
        "Karpathy & Fei-Fei 2015",
        "align",
        {"encoder": "brnn", "loss": "ranking", "lexicon_weight": 0.0, **PAPER},
        recalls=(16.5, 40.6, 54.2, 11.8, 32.1, 44.7),
        flag="F",
        note="AlexNet features",
    ),
    Published("alignment by a contrastive loss", "this project", "align", {"loss": "contrastive"}),
    Published("alignment, other than in the paper", "after Karpathy & Fei-Fei 2015", "align", note="not published"),
    Published("CCA", "Hotelling 1936; Hardoon et al. 2004", "cca", note=PLAIN_CCA),
    Published(
        "Deep CCA",
        "Andrew et al. 2013; Yan & Mikolajczyk 2015",
        "deep_cca",
        recalls=(17.9, 40.3, 51.9, 12.7, 31.2, 44.1),
        flag="R",
    ),
    Published(
        "UVSE",
        "Kiros et al. 2014",
        "vse",
        {"encoder": "lstm", "loss": "ranking"},
        recalls=(13.5, 36.2, 45.7, 10.4, 31.0, 43.7),
        flag="F",
        note="AlexNet; with VGG 18.0/40.9/55.0, 12.5/37.0/51.5",
    ),
    Published("VSE", "Kiros et al. 2014, with a GRU", "vse", {"loss": "ranking"}, note="not published on Flickr8K"),
    Published("VSE++", "Faghri et al. 2018", "vse", {"loss": "hardest"}, note="not published on Flickr8K"),
    Published(
        "DeFrag",
        "Karpathy, Joulin & Fei-Fei 2014",
        "defrag",
        recalls=(12.6, 32.9, 44.0, 9.7, 29.6, 42.5),
        flag="F",
        note="of dependency parses; R-CNN features",
    ),
    Published(
        "SDT-RNN",
        "Socher et al. 2014",
        "sdt_rnn",
        recalls=(6.0, 22.7, 34.0, 6.6, 21.6, 31.7),
        flag="F",
        note="of dependency parses; R-CNN features",
    ),
    *(
        Published(name, "Huang et al. 2017", "sm_lstm", {"variant": variant}, note="not published on Flickr8K")
        for name, variant in (
            ("sm-LSTM", "full"),
            ("sm-LSTM, context alone", "ctx"),
            ("sm-LSTM, attention without context", "att"),
            ("sm-LSTM, means", "mean"),
        )
    ),
    Published(
        "SCAN, text to image",
        "Lee et al. 2018",
        "stacked_attention",
        recalls=(52.2, 81.0, 89.2, 38.3, 67.8, 78.9),
        flag="F",
        note="both directions together, features of a detector of 1,600 classes",
    ),
    Published(
        "m-RNN",
        "Mao et al. 2015",
        "m_rnn",
        bleu=(58.0, 28.0, 23.0, None),
        flag="R",
        note="by likelihood it ranks 14.5/37.2/48.5, 11.5/31.0/42.4 [F]; AlexNet",
    ),
    Published(
        "multimodal RNN",
        "Karpathy & Fei-Fei 2015",
        "multimodal_rnn",
        {"image": "first", "average": False, "rewarded": False},
        bleu=(57.9, 38.3, 24.5, 16.0),
        flag="R",
        note="VGG features",
    ),
    *_variants("multimodal_rnn", "RNN", "after Karpathy & Fei-Fei 2015"),
    Published(
        "NIC",
        "Vinyals et al. 2015",
        "lstm",
        {"image": "first", "average": False, "rewarded": False},
        bleu=(63.0, 41.0, 27.0, None),
        flag="F",
        note="by likelihood it ranks 20/-/61, 19/-/64 [F]",
    ),
    *_variants("lstm", "LSTM", "after Vinyals et al. 2015"),
    Published("LRCN", "Donahue et al. 2015", "lrcn", note="not published on Flickr8K"),
    Published(
        "log-bilinear",
        "Kiros et al. 2014",
        "log_bilinear",
        bleu=(65.6, 42.4, 27.7, 17.7),
        flag="F",
        note="as Xu et al. 2015 have it in their table, without brevity penalty",
    ),
    Published(
        "Show, Attend and Tell, soft",
        "Xu et al. 2015",
        "attend_and_tell",
        {"attention": "soft", "image": "first"},
        bleu=(67.0, 44.8, 29.9, 19.5),
        flag="F",
        note="without brevity penalty",
    ),
    Published(
        "Show, Attend and Tell, hard",
        "Xu et al. 2015",
        "attend_and_tell",
        {"attention": "hard", "image": "first"},
        bleu=(67.0, 45.7, 31.4, 21.3),
        flag="F",
        note="without brevity penalty",
    ),
    Published("language CNN", "Gu et al. 2017", "language_cnn", note="not published on Flickr8K"),
)


def published(name: str, config: Mapping[str, Any]) -> Published | None:
    """The first published system that a model matches; None without one."""

    def fits(row: Published) -> bool:
        return row.model == name and all(config.get(key) == value for key, value in row.keywords.items())

    return next(filter(fits, PUBLISHED), None)


def _joined(figures: Figures) -> str:
    return "/".join("-" if figure is None else f"{figure:.1f}" for figure in figures)
