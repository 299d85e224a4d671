"""English words by part of speech, for noun phrases: the closed classes, common adjectives and common verbs.

A word in none of the lists counts as a noun. Verbs are listed by their base form, from which the others are made.
"""

from collections.abc import Sequence
from typing import Literal

Form = Literal["base", "s", "ing", "ed"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DETERMINERS = _words(
    """
    a an the this these those some any each every either neither another its his her their my your our all
    both no several many few various whose
    """
)
NUMBERS = _words("one two three four five six seven eight nine ten eleven twelve twenty thirty hundred")
PLURAL_DETERMINERS = (NUMBERS - {"one"}) | _words("these those some all both several many few various")
SINGULAR_DETERMINERS = _words("a an one another each every")
PRONOMINAL = _words("one each another both all")  # determiners that are often pronouns: "one holding a cup"
PREPOSITIONS = _words(
    """
    in on at of with by from to for as near behind beside besides between among amongst amid under
    underneath below beneath above over across along alongside around through throughout into onto inside
    outside against toward towards past up down off out about before after beyond without within upon via
    during like atop
    """
)
AUXILIARIES = _words(
    """
    is are was were be been being am has have had having do does did will would can could may might must
    should gets get getting isnt arent
    """
)
PRONOUNS = _words("it he she they i you we who whom which what them him me us himself herself itself themselves that")
OTHERS = _words(
    """
    and or but nor than then there here if because so when while not also just only even still too together
    apart away outdoors indoors forward backward backwards upside nearby ahead where how why
    """
)
LINKS = AUXILIARIES | PRONOUNS | OTHERS  # neither in a noun phrase nor directly before one
LINKING = PREPOSITIONS | LINKS  # function words, besides `FUNCTION_WORDS`
CLOSED = DETERMINERS | NUMBERS | PREPOSITIONS | LINKS

COLOURS = _words("red orange yellow green blue purple pink brown black white grey gray tan beige")
ADJECTIVES = COLOURS | _words(
    """
    silver golden blond blonde colorful colourful multicolored dark bright light pale large big small little
    tiny huge giant tall short long wide narrow high low thick thin deep young old elderly new adult asian
    african american empty full busy quiet wet dry muddy sandy grassy rocky snowy sunny cloudy rainy foggy
    icy dirty clean clear dusty wooden plastic metallic fluffy furry hairy curly shaggy fuzzy soft hard hot
    cold warm cool fresh ripe raw sweet happy sad angry tired hungry sleepy pretty beautiful cute nice
    lovely ugly fancy round square flat steep straight open shiny broken rusty modern vintage antique rustic
    tropical rural urban various different same other several bare naked shirtless barefoot single double
    whole half upper lower lone alone wild tame lush hilly wooded flowery heavy slim fat strong loose tight
    sharp bald bearded striped plaid floral checkered spotted messy cluttered crowded neat tidy stylish
    delicious tasty healthy
    """
)
ADVERBS = _words("very quite rather really almost nearly fairly so too brightly")
NO_ADVERBS = _words(
    """
    family butterfly belly jelly lily fly bully curly friendly silly ugly woolly wooly bubbly smelly grizzly
    elderly early july lovely lonely hilly holly trolley ply assembly anomaly ally rally doily potbelly
    supply reply
    """
)  # words in "ly" that are no adverbs

_VERBS = _words(
    """
    sit stand hold ride play wear walk look lay lie eat run live jump smile do hang watch drive carry pose
    graze go travel use talk swing cut wait sleep pull show swim make come prepare throw lean try climb
    cross drink rest hit move set dine perform skateboard work pass read catch race enjoy contain brush
    include stick reach stare float overlook feed paint point face serve chase kneel slide kick fight leap
    fall touch bite give write attempt laugh pet push cover roll bathe dance bend sail display smoke lead
    chew load blow approach surround sell splash hug gather relax grow help shake turn feature pick lick
    balance pour share dive paddle wade sniff follow leave hike kiss row grind wash toss herd peek wrestle
    lounge stretch listen speak grab dig compete spray draw sing meet observe speed squat stop crouch crash
    enter roam break teach celebrate return depict glide start lift slice spin shoot adjust scratch rub
    bounce raise block await soar rise tie wrap let step rollerblade camp gaze bark flow retrieve fetch
    descend ascend wander embrace trot arrive seem appear bare hurdle skip stroll take put get keep shine
    tackle flip fly land say have see dribble sprint gallop crawl charge emerge head wave lunge cling
    snowboard surf ski skate bowl cook bake kayak wakeboard jog cheer clap yell scream cry sip snuggle
    sprawl nap cuddle nuzzle inspect examine explore exit board perch park paw peer attack operate steer
    navigate tow haul drag bring seek participate fill buy shop knit type lick guard protect
    """
)
_IRREGULAR = _words(
    """
    worn held made taken seen eaten thrown ridden driven drawn written shown caught kept left built cut set
    hung sat stood ran swam rode wore ate threw fell flew took gave went came made lit fallen broken frozen
    torn grown
    """
)
ING_NOUNS = _words(
    """
    building clothing ceiling railing painting string ring king wing evening morning something nothing
    anything everything thing spring awning landing sibling pudding stocking earring icing wedding lightning
    frosting flooring bedding shelving seating topping dressing covering crossing opening meeting
    seasoning ping sterling duckling paving being clearing parking lettering swing sling wiring siding
    offering filling serving setting gathering
    """
)
ED_NOUNS = _words(
    """
    red bed shed seed weed sled moped bobsled bunkbed daybed speed feed steed reed creed deed
    """
)
_COMPOUND_ING = _words(
    """
    dining parking living swimming skating shopping fishing washing sewing rocking climbing diving sleeping
    wedding landing running racing bowling boxing baking cutting frying vending boarding training hiking
    riding sailing playing waiting serving mixing rolling folding jumping skiing camping bathing drinking
    watering changing
    """
)
_COMPOUND_HEADS = _words(
    """
    room rooms table tables pool pools lot lots meter meters garage rink cart carts rod pole poles wall
    walls machine machines suit suits gear track pan alley board boards bag dish dishes strip pin chairs
    dress cake field area fountain can boots castle outfit goggles trunks
    """
)
COMPOUND_PARTICIPLES = _words(
    """
    looking built covered lined filled shaped colored coloured sized flavored topped sided sleeved haired
    eyed striped based packed faced legged tailed collared clad powered framed handed printed themed
    patterned wheeled
    """
)  # "snow covered mountain"
UP_COMPOUNDS = _words("close pick grown line stand")  # "a close up", "a pick up truck"
PLACES = _words(
    """
    front top bottom back rear side sides left right middle center centre edge edges end ends foot base
    inside outside corner midst
    """
)  # "in front of", "on the left side of": relations, not things
SIDES = PLACES | _words("far other either each upper lower very opposite")
_PHRASAL = """next to, close to, adjacent to, due to, up to, out of, because of, instead of, ahead of, inside of,
    outside of, front of, left of, right of, such as, as well as, along with, together with, away from,
    in between, on top"""
PHRASAL = frozenset(tuple(one.split()) for one in _PHRASAL.split(","))  # prepositions of several words
PLURALS = _words("people men women children police sheep geese deer kids guys")
BARE_ADVERBS = _words("back home right left straight half")  # begin no noun phrase without a determiner

_SHARED = _words(
    """
    a an in on at for to i me no was under of or as is be am he do so has over also all her
    """
)
FOREIGN = _words(
    """
    der die das den dem des ein eine einen einem einer und mit auf im vor neben zwei ist sind le la les un
    une du de et dans sur avec aux est deux el los las en con y una unos del al por sobre dos il lo gli di
    che nel nella sul sulla alla os um uma em com da na nas nos het een op van met naast twee och med på ett
    og på jest na z w
    """
)


def is_english(words: Sequence[str]) -> bool:
    """Whether words of the lists outnumber function words of other languages."""
    foreign = sum(word in FOREIGN for word in words)
    known = sum(word in CLOSED or word in ADJECTIVES or word in VERB_FORMS for word in words)
    shared = sum(word in _SHARED for word in words)
    return known > 0 if not foreign else known - shared > foreign


def verb_form(word: str) -> Form | None:
    """The verb form of a word; None if it is not a listed verb."""
    if word in ING_NOUNS or word in ED_NOUNS:
        return None
    ending: Form | None = "ing" if word.endswith("ing") and len(word) > 5 else None
    ending = "ed" if word.endswith("ed") and len(word) > 4 else ending
    return VERB_FORMS.get(word, ending)


def is_compound(word: str, following: str) -> bool:
    """Whether a form in "ing" and a noun are a compound: "parking lot"."""
    return word in _COMPOUND_ING and following in _COMPOUND_HEADS


def _forms() -> dict[str, Form]:
    """Word -> form, for every form of the verbs; of two forms of one word, the later of "ed", "base", "s", "ing"."""
    found: dict[str, Form] = dict.fromkeys(_IRREGULAR, "ed")
    for verb in sorted(_VERBS):
        doubles = len(verb) > 2 and verb[-1] in "bdgmnpt" and verb[-2] in "aeiou" and verb[-3] not in "aeiou"
        changes = verb.endswith("y") and verb[-2] not in "aeiou"  # "carry", "carries"
        stem = verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb
        found[verb] = "base"
        third = verb + "es" if verb.endswith(("s", "sh", "ch", "x", "z", "o")) else verb + "s"
        found[verb[:-1] + "ies" if changes else third] = "s"
        for root in (stem, verb + verb[-1] if doubles else stem):  # "sitting"
            found[root + "ing"] = "ing"
            found[(verb[:-1] + "i" if changes else root) + "ed"] = "ed"
    return found | {"lying": "ing", "tying": "ing"}


VERB_FORMS = _forms()
