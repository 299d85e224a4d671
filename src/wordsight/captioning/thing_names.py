"""Everyday names of ImageNet classes: a golden retriever is a dog, an ice bear a polar bear.

Classes that people do not tell apart are one kind of thing; a class with most of its kind's probability keeps its own
name. A kind that the detector also has takes the detector's name.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache

_KINDS = """
fish 0 1 5 6 389-397; shark 2-4; bird 7-24 80-96 98 127-144 146; duck 97; goose 99; swan 100; penguin 145
lizard 25-29 38-48; frog 30-32; turtle 33-37; crocodile 49 50; dinosaur 51; snake 52-68; spider 72-77; snail 113-115
crab 118-121 125; lobster 122-124; coral 108 109 973; whale 147 148; sea lion 149 150; dog 151-268 273-275; wolf 269-272
fox 277-280; cat 281-285 383; wild cat 286-289 290 293; lion 291; tiger 292; bear 294 295 297; polar bear 296
beetle 300-307; insect 308-320; butterfly 321-326; rabbit 330-332; squirrel 335 336; horse 339; zebra 340; pig 341-343
cow 345-347; sheep 348 349; goat 350; antelope 351-353; camel 354; llama 355; weasel 356-359 361 362; monkey 365-382 384
elephant 101 385 386; panda 388; red panda 387
airplane 404 895; bicycle 444 671; boat 472 484 554 576 625 628 724 780 814 871 914; bus 654 779 874; tram 829
car 436 468 511 609 627 656 661 751 817; motorcycle 665 670; train 466 547 565 705 820
truck 555 569 675 717 864 867; ambulance 407; police car 734; tractor 866; cart 428 603 612 690; golf cart 575
backpack 414; sports ball 430 522 574 722 768 805 852 890; baseball player 429 981; bench 703
bottle 440 720 737 898 907
bowl 659 809; bread 930; cake 927; cup 504 647 968; wine glass 572; glass of beer 441; handbag 636 748
chair 423 559 765; bed 564; couch 831; dining table 532; potted plant 738; desk 526; bookshelf 453; cabinet 495 553
cell phone 487; computer 527; computer mouse 673; keyboard 508 878; laptop 620 681; monitor 664; tv 598 851
remote 761; telephone 528 707; printer 713 742; camera 732 759; clock 409 530 892; watch 531; guitar 402 546
piano 579 881; drum 541 822; microwave 651; oven 544; stove 827; refrigerator 760; sink 896; toilet 861; bathtub 435 876
washing machine 897; toaster 859; hair dryer 589; teddy bear 850; vase 883; umbrella 879; parking meter 704; tie 906
traffic light 920; street sign 919; skis 795; tennis racket 752; paddle 693; helmet 518 560; hat 439 452 515 808
sunglasses 836 837; shoe 502 514 630 770 774; dress 578 601 614 689; jersey 610; coat 568 617 869; suit 834
swimsuit 445 638 639 842; spoon 618 910; knife 499 623; trash can 412; mailbox 637; lamp 619 846; pan 567 909
teapot 505 849; tent 672; fence 489 716 912; house 660; church 497 663; castle 483 698; temple 832; mosque 668
bridge 821 839 888; dock 536 718; shop 415 467 509 582 788 860 865; bookshop 454; restaurant 762; library 624
tower 437 442 900; roof 853 858; stone wall 825; curtain 794 854 905; pillow 721; blanket 750; towel 434; rug 741
candle 470; toilet paper 999; paper towel 700; basket 588 790; box 478 492 519; bucket 463; barrel 427 756; bag 728
apple 948; banana 954; orange 950; lemon 951; broccoli 937; cabbage 936; cauliflower 938; pumpkin 940-942; corn 987 998
pizza 963; hot dog 934; sandwich 933; ice cream 928 929; pasta 959; soup 925; stew 926; pie 964; burrito 965; bagel 931
coffee 550; espresso 967; glass of wine 966; dessert 960; mushroom 947 991-997; flower 984-986; fruit 952 955-957
mountain 970 972 979; volcano 980; beach 977 978; lake 975; cliff 976; fountain 562; geyser 974
snowplow 803; sled 450 537
diver 983; groom 982; haystack 958; gun 413 763 764
"""
_NOTHING = """
111 418 419 481 482 506 533 539 549 551 556 581 585 599 605 611 622 631 632 644 646 662 677 688 692 711 712 743 746 754
767 769 772 778 782 783 798 800 810 818 835 838 840 844 848 855 885 902 904 911 916-918 921 922 971
"""  # patterns, surfaces, pages and small parts: what the classifier sees in pictures without any thing


@cache
def kinds() -> dict[str, tuple[int, ...]]:
    """The ImageNet classes of each kind of thing, at least one."""
    entries = re.split(r"[;\n]", _KINDS.strip())
    return {
        name.strip(): tuple(_numbers(some))
        for name, some in re.findall(r"([a-z ]+)((?:[0-9]+[- ]?)+)", "\n".join(entries))
    }


def kinds_of(classes: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """As `kinds`, and each other class as a kind of its own, named as in `classes`; `_NOTHING` is left out."""
    known = kinds()
    passed = {number for some in known.values() for number in some} | set(_numbers(_NOTHING))
    alone = {name.lower(): (number,) for number, name in enumerate(classes) if number not in passed}
    return known | {name: some for name, some in alone.items() if name not in known}


def _numbers(text: str) -> Iterator[int]:
    """The numbers of a text such as "1 5-7"."""
    for part in text.split():
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
