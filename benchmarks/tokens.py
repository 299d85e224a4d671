"""Captions whose tokens differ from coco-caption's, among thousands made to be hard.

    pip install 'wordsight[metrics]'        # and Java on the PATH
    python benchmarks/tokens.py [--captions 12000] [--seed 0] [--show 3] [FILE ...]

Captions are made of words, marks and numbers of one family, joined at random; families have equal numbers of captions.
Each FILE, with one caption per line, is a family too. Java's Stanford PTBTokenizer splits them as in coco-caption
(`-preserveLines -lowerCase`, in UTF-8), and coco-caption's punctuation is dropped. Texts are in Unicode's composed form
(NFC), to which our tokeniser converts any text first.
"""

import argparse
import random
import shutil
import subprocess
import unicodedata
from importlib.util import find_spec
from pathlib import Path

from wordsight.metrics.ptb import PUNCTUATION, tokenise

PLAIN = "a the dog man two red plan b i s runs on beach A Dog The It they you we is can will"
FAMILIES = {
    "ends": """b. b x. i. I. A. u.s. U.S. p.m. a.m. Mr. st. etc. no. dog. one. 5. b.. b... b.! b.? b.,
        e.g. J.R. J. v.""",
    "contractions": """don't can't won't i'm I'M he's they'll we've you're she'd cannot gonna gotta wanna lemme gimme
        'tis 'twas y'all ma'am o'clock O'Neill ain't dogs' dog's's it's. who's-who rock'n'roll 'n' 'em 'cause '90s '90
        n't shouldn't've d'you c'mon ol' 'dog' 'dog can't. DON'T Can'T isn't, t' d' s' 's 're'd""",
    "abbreviations": """Mr. mr. Mrs. Dr. St. st. Ave. ave. Inc. inc. Co. co. Jan. mar. Sept. Mon. sat. vs. No. no. Fig.
        fig. p. pp. Ph.D. Ph.D B.C. a.k.a. Mass. mass. Ill. ill. Wash. wash. Tex. La. Del. op. art. ca. Sgt. lt.
        Calif. Jr. jr. approx. dept. ft. in. oz. lb. Prof. Gen. sen. Capt. U.S.A. D.C. N.Y. L.A.""",
    "hyphens": """black-and-white t-shirt T-shirt x-ray merry-go-round close-up - -- --- ---- ----- dog-cat -dog dog-
        5-year-old 20-30 and/or w/ w/o dog/cat /dog dog/ 1/2 1/2-inch a/c 24/7 half-eaten U.S.-based wi-fi _dog_ a_b
        refrigerator/freezer red/white/blue e-mail pre- o'clock-ish dog's-eye""",
    "numbers": """5 10 1,000 1.5 .5 5. 1:20 12:30pm 12:30 $5 $5.00 50% #1 4x4 mp3 2nd 1st 80s 1950's '50s 5'10" 3-4
        1/2 +5 -5 10k 2-by-4 3.5.2 1,2 1,000,000 12/25/2010 555-1234 (555) 555-1234 5th-grade 90° 100ft. 7up B52 747-400
        £5 €5 ¥5 5€ ½ 1½ ¼ 10° №5 1.5m 10.30am""",
    "brackets": """( ) [ ] { } (dog) [dog] {dog} (a) (1) (dog cat) <b> </b> <br/> <dog> < > << >> <3 >3 a<b :) :( ;)
        :-) :D =) :P ;-) ^_^ <unk> -LRB- -lrb- (b.) ((dog))""",
    "quotes": """" '' ' ` `` "dog" 'dog' "dog 'dog dog" dog' “dog” ‘dog’ dog’s don’t «dog» „dog“ ''dog'' ``dog''
        "dog's" "b." '"dog"' dog.” dog," "dog". ’ ‘ “ ” ′ ″ 5’10”""",
    "symbols": """& at&t AT&T R&B r&b b&w Q&A * ** *x* + a+b = == ~ ~dog ^ | || \\ / // @ @home #dog # ## ! !! !!! ?
        ?! ?? . .. ... .... , ,, ; : :: $ % %% © ® ™ • · … – — ― ‐ ‑ dog…cat dog—cat dog–cat a.b dog.cat dog,cat
        dog;cat dog:cat dog!cat &amp; &lt; &gt; &quot; &nbsp; c++ C++ A+ $$ US$ ° × ÷ ± → ★ ♥""",
    "web": """www.flickr.com http://x.com https://x.com/a?b=c x.com flickr.com/photos me@x.com a.b@c.org @user #tag
        .com dog.com Dog.Com dog.jpg x.co.uk www.x (www.x.com) http:// x.com. e.mail@ amazon.com's""",
    "emoji": "😀 ❤ ❤️ 👍🏽 👩‍🚒 🇺🇸 dog😀 😀dog ☺ ☀️ ✈ ♥ 1️⃣ 😀😀",
    "accents": """café naïve piñata Zürich São Łódź İstanbul straße Ångström œuvre ﬁsh Ⅳ ² x² H₂O ª º µ ʼ ñ É fiancée
        crêpe-like l'été d'Été à-la-carte Škoda's jalapeño's čevapi ǅ""",
    "hebrew": "שָׁלוֹם כֶּלֶב חָתוּל כלב חתול צה״ל ג׳ירפה כלב. כֶּלֶב, בֵּית־סֵפֶר",
    "arabic": "كَلْب كُتُب كِتَاب قِطَّة كلب، قطة؟ كلب. مُحَمَّد ـكلب پنج ۵ ٥ سگ رَجُلٌ",
    "hindi": "कुत्ता दिन दान हिन्दी कुत्ता। काला-सफेद दो ५ बच्चे, किताब. पानी में ज़मीन",
    "bengali": "কুকুর দিন দুটি কুকুর। বাচ্চা, সাদা-কালো ৫ পানির খেলছে। ছবি.",
    "tamil": "நாய் பூனை இரண்டு நாய். குழந்தை, கருப்பு-வெள்ளை ௫ தமிழ் கடற்கரையில்",
    "telugu": "కుక్క పిల్లి రెండు కుక్క. నలుపు-తెలుపు ఎర్రటి",
    "greek": "σκύλος γάτα άνδρας. δύο ΣΚΥΛΟΣ μαύρο-άσπρο Άνθρωπος, παιδί",
    "russian": "собака йод ёлка чёрно-белый собака. Собака, д. СССР м'ята об'єкт",
    "korean": "개 고양이 개가 달린다. 두 남자, 흑백-사진",
    "vietnamese": "chó cho mèo đường nước ngựa. màu đen-trắng Người",
}
JOINS = [" "] * 12 + ["  ", "", ", ", " , ", ". ", " . ", "; ", "-", "/", "'", ' "', "! "]


def make(words: list[str], lots: random.Random) -> str:
    """A caption of one to six words, about 60 % of them from the family."""
    caption = ""
    for _ in range(lots.randint(1, 6)):
        caption += lots.choice(words if lots.random() < 0.6 else PLAIN.split()) + lots.choice(JOINS)
    return unicodedata.normalize("NFC", caption + lots.choice(["", "", "", ".", " .", "!"]))


def official(captions: list[str]) -> list[list[str]]:
    """Tokens of captions without line breaks, as coco-caption splits them for BLEU and CIDEr."""
    (package,) = find_spec("pycocoevalcap").submodule_search_locations  # type: ignore[union-attr,misc]
    jar = str(Path(package) / "tokenizer" / "stanford-corenlp-3.4.1.jar")
    command = ["java", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", jar]
    command += ["edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    text = "".join(f"{caption}\n" for caption in captions)
    lines = subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout.decode().split("\n")
    assert len(lines) == len(captions) + 1, (len(lines), len(captions))
    return [" ".join(word for word in line.split(" ") if word not in PUNCTUATION).split() for line in lines[:-1]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Captions whose tokens are not those of coco-caption.")
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path, help="captions, one a line")
    parser.add_argument("--captions", type=int, default=12_000, help="made captions of all families together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=3, help="differences shown of each family")
    args = parser.parse_args()
    if find_spec("pycocoevalcap") is None or shutil.which("java") is None:
        parser.error("needs pycocoevalcap (pip install 'wordsight[metrics]') and Java")
    made: dict[str, list[str]] = {}
    for name, words in FAMILIES.items():
        lots = random.Random(f"{args.seed} {name}")
        made[name] = [make(words.split(), lots) for _ in range(args.captions // len(FAMILIES))]
    for file in args.files:
        lines = unicodedata.normalize("NFC", file.read_text(encoding="utf-8")).split("\n")
        made[file.name] = list(dict.fromkeys(filter(None, map(str.strip, lines))))
    every = official([caption for captions in made.values() for caption in captions])
    total, right = 0, iter(every)
    print("| family | captions | differ |\n|---|---|---|")
    for name, captions in made.items():
        pairs = [(caption, next(right)) for caption in captions]
        wrong = [(caption, theirs, ours) for caption, theirs in pairs if (ours := tokenise(caption)) != theirs]
        total += len(wrong)
        print(f"| {name} | {len(captions):,} | {len(wrong):,} |")
        for caption, theirs, ours in wrong[: args.show]:
            print(f"    {caption!r}\n      coco-caption: {' '.join(theirs)}\n      wordsight:    {' '.join(ours)}")
    print(f"| all | {len(every):,} | {total:,} |")


if __name__ == "__main__":
    main()
