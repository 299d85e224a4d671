"""Nouns in captions: the head of a noun phrase, with synonyms folded to one noun, and nouns that name places."""

from wordsight.text import word_classes as classes
from wordsight.text.nouns import VAGUE


def words(text: str) -> frozenset[str]:
    """The words of a list."""
    return frozenset(text.split())


_PLURALS = """men man women woman children child people people geese goose mice mouse feet foot teeth tooth sheep sheep
    fish fish deer deer leaves leaf knives knife loaves loaf shelves shelf wolves wolf calves calf glass glass grass
    grass bus bus dress dress skis skis pants pants jeans jeans clothes clothes stairs stairs rapids rapids woods woods
    sunglasses sunglasses cookies cookie shorts shorts scissors scissors canvas canvas tennis tennis chess chess"""
_SINGULAR = dict(zip(_PLURALS.split()[::2], _PLURALS.split()[1::2], strict=True))
_KINDS = {  # noun -> the nouns that are folded to it
    "man": "guy gentleman male fellow dude",
    "woman": "lady female",
    "child": "kid toddler youngster youth schoolchild",
    "baby": "infant",
    "girl": "schoolgirl",
    "person": "someone somebody individual human adult anyone one",
    "people": "crowd family group couple team band audience class everyone pair duo trio adults others",
    "dog": """puppy pup doggy greyhound retriever terrier collie shepherd poodle lab labrador pitbull doberman beagle
        dachshund bulldog sheepdog dalmatian dalmation hound spaniel corgi husky rottweiler rotweiler pug yorkie
        dane sheltie boxer canine daschund chihuahua schnauzer weimaraner setter mutt pet""",
    "bike": "bmx",  # a bicycle or a motorcycle: other sentences decide
    "motorcycle": "motorbike dirtbike",
    "cyclist": "bicyclist bicycler",
    "frisbee": "disc disk",
    "road": "roadway",
    "mountain": "mountainside mountaintop peak",
    "hill": "hillside hilltop",
    "beach": "shore shoreline seashore",
    "ocean": "sea surf",
    "forest": "woods woodland",
    "river": "stream creek",
    "yard": "backyard lawn",
    "steps": "stairs staircase stairway stair step",
    "sidewalk": "pavement",
    "racket": "racquet",
    "couch": "sofa",
    "railing": "rail handrail",
    "phone": "cellphone telephone",
    "outdoors": "outside",
}
_FOLDED = {word: noun for noun, some in _KINDS.items() for word in some.split()}
_TRAILING = words("outside outdoors indoors open inside alone each ahead nearby below above behind up")
_ENDS = words("with in on at near and or to that which by from for under covered filled wearing")  # "a man with a hat"
_MEMBERS = VAGUE | words(
    """crowd number team class field body patch bunch flock pack stretch expanse herd closeup close-up collage half
    silhouette"""
)  # before "of": "a body of water" is water
_NO_NOUNS = words(
    """something some other thing back side stomach midst public rest fun play turn closeup close-up collage half shot
    number area surface item help pause look row front end way bit lap middle"""
)
NO_FILLERS = words("picture photo photograph trick jump one a two each")
SPORTS = words(
    """soccer football basketball volleyball tennis baseball hockey rugby cricket softball lacrosse polo badminton golf
    frisbee paintball match tournament competition"""
)
SURFACES = words(
    """grass floor ground rock ledge steps wall curb bench chair couch sand railing carpet rug log bed dirt platform
    dock boulder seat blanket snow"""
)  # places that one sits or kneels on
GROUNDS = words("grass field sand snow leaf dirt yard mud road path street sidewalk beach floor track")  # no obstacles
PLACES = words(
    """sand slope court ice dirt indoors outdoors racetrack rink dune course forest leaf mud track carpet hay
    trampoline rapids cafe gym cave bathtub playpen deck"""
)  # nouns that are often not marked as scenes
NO_PLACES = words(
    """fence sky spot night day midair sunset event view right left position medium bar tent seat open raft shadow dark
    sheet board target break range scene setting place point space horizon landscape post land corner edge hole puddle
    block crane stand people time weather"""
)  # nouns marked as scenes that name no place


def head_of(phrase: list[str]) -> str:
    """The folded head of a noun phrase: "boy" of "a group of young boys".

    It is "" for a phrase that names nothing in particular, such as "the other side".
    """
    plain = [word for word in phrase if word.replace("-", "").replace("'", "").isalpha()]
    if "of" in plain[1:]:
        at = plain.index("of", 1)
        if singular(plain[at - 1]) in _MEMBERS and plain[at + 1 :]:
            return head_of(plain[at + 1 :])
        plain = plain[:at]
    ends = (at for at, word in enumerate(plain) if word in _ENDS and at and plain[at - 1] not in classes.ADJECTIVES)
    plain = plain[: next(ends, len(plain))]
    while len(plain) > 1 and plain[-1] in _TRAILING:
        plain.pop()
    if not plain:
        return ""
    last, one = plain[-1], singular(plain[-1])
    if last in classes.ADJECTIVES or one in _NO_NOUNS:
        return ""
    if plain[-2:-1] == ["dirt"] and one == "bike":
        return "motorcycle"
    return _FOLDED.get(last, _FOLDED.get(one, one))


def singular(noun: str) -> str:
    """The singular of an English noun, by rules and a list of exceptions."""
    if noun in _SINGULAR:
        return _SINGULAR[noun]
    if not noun.endswith("s") or noun.endswith(("ss", "us", "is")) or len(noun) < 4:
        return noun
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    return noun[:-2] if noun.endswith(("ches", "shes", "xes", "sses", "zes")) else noun[:-1]
