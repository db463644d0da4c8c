"""Writes `course_utils/data/probe-texts.csv`: the short texts of lesson 04, put together from the word lists below.

    python -m course_utils.training.probe_texts

Texts end in no full stop: at some layers SmolLM2 keeps a massive activation there, as it does on position 0.
"""

# ruff: noqa: E501, SIM905 (word lists are read as lines of text)

import csv
from collections.abc import Iterator
from pathlib import Path

__all__ = ["rows"]

PATH = Path(__file__).parents[1] / "data" / "probe-texts.csv"
Row = tuple[str, str, int, str, str]  # set, text, label, group, topic

POSITIVE = (
    "wonderful excellent delightful superb charming brilliant lovely fantastic marvellous splendid enjoyable "
    "impressive perfect beautiful amazing pleasant great outstanding magnificent good"
).split()
NEGATIVE = (
    "terrible awful dreadful horrible boring disappointing dull poor ghastly unpleasant dismal disgusting ugly "
    "tedious mediocre bad miserable appalling dreary nasty"
).split()
OPINIONS = {
    "film": "I thought the film was {} and we talked about it on the way home",
    "meal": "The meal was {} and we spoke of it the next day",
    "hotel": "They say that the hotel is {} and that it stands near the station",
    "book": "My sister called the book {} when she gave it back to me",
}

# Two countries share a group and lend each other their capitals, so no name of a test group occurs in training.
CAPITALS = """
France Paris Germany Berlin; Italy Rome Spain Madrid; Japan Tokyo China Beijing; Russia Moscow Ukraine Kyiv;
Greece Athens Egypt Cairo; Portugal Lisbon Austria Vienna; Ireland Dublin Norway Oslo;
Sweden Stockholm Denmark Copenhagen; Cuba Havana Peru Lima; Canada Ottawa Chile Santiago;
Kenya Nairobi Iraq Baghdad; Iran Tehran Thailand Bangkok; Hungary Budapest Belgium Brussels;
Finland Helsinki Poland Warsaw; Syria Damascus Lebanon Beirut; Vietnam Hanoi Indonesia Jakarta;
Afghanistan Kabul Ghana Accra; Bulgaria Sofia Romania Bucharest; Jordan Amman Turkey Ankara;
Venezuela Caracas Colombia Bogota
"""
CAPITAL_TEXTS = {"capital is": "The capital of {c} is {t}", "is capital": "{t} is the capital city of {c}"}

SUBJECTS = (
    "key picture letter student teacher painting car bottle dog song doctor ticket farmer coat report bird "
    "machine poem driver chair"
).split()
OTHERS = (
    "cabinet wall office school garden window house table tree river hospital station field door desk roof "
    "barn bridge road lamp"
).split()
SYNTAX = {"near": "We noticed that the {} near the {}", "behind": "Today the {} behind the {}"}

PEOPLE = (
    "Mozart Einstein Shakespeare Newton Darwin Picasso Napoleon Beethoven Galileo Cleopatra Gandhi Plato Churchill "
    "Mandela Tolstoy Chopin Aristotle Dickens Rembrandt Socrates"
).split()
PLACES = (
    "Chicago Boston Mumbai Sydney Barcelona Venice Shanghai Toronto Milan Istanbul Hamburg Seattle Geneva Naples "
    "Munich Glasgow Kyoto Marseille Montreal Manchester"
).split()
MENTIONS = {
    "article": "I read a long article about {} in the paper this morning",
    "meeting": "Everyone was talking about {} at the meeting last night",
    "dream": "She dreams of {} more often than she would admit",
    "radio": "There was a programme about {} on the radio again",
}

# No word of opinion of the lists above; the opinion is in what happened.
IMPLICIT_GOOD = """
I read the last page and began again from the first|We clapped until our hands hurt|I have already booked the same room for next summer
The children asked whether we could go back tomorrow|I could not stop smiling all evening|She ordered a second plate and then a third
I bought copies for all my friends|Nobody in the hall wanted the music to stop|I stayed up all night because I had to know how it ends
The cook came out and the guests stood up and cheered|We laughed so much that we cried|They thanked us and gave us the best table in the house
I would travel for hours to see it once more|My grandfather hummed the tune for weeks|The staff remembered our names and brought flowers
I forgot the time and missed my bus gladly|Every seat was taken and still more people queued|We left rested and happy and full of plans
He hung the picture where he sees it every morning|I wrote to the author to say thank you
""".replace("\n", "|")
IMPLICIT_BAD = """
I walked out after twenty minutes and asked for my money back|The soup was cold and there was a hair in it|I fell asleep before the second chapter
We moved to another place after one night|The children begged us to go home|I gave the book away without finishing it
Half of the audience had left before the end|She pushed the plate aside and ordered something else|I was sick for two days after dinner there
Nobody answered the phone and the heating was broken|I regret every penny that I spent on it|We counted the minutes until it was over
The waiter shouted at us and spilled the wine|I would not go back if they paid me|There were insects in the bed and mould on the walls
The plot made no sense and I gave up|He threw the tickets into the bin|We complained to the manager and left early
The critics laughed at it and so did we|I wish that I had stayed at home
""".replace("\n", "|")
COMMON_TRUE = """
Snow is cold|Fish live in water|Birds have wings|The sun is hot|A week has seven days|Cows eat grass|Ice is frozen water|Grass is green
Knives are sharp|Sugar tastes sweet|Dogs have four legs|Bees make honey|Rain falls from clouds|Stones are hard|Babies are young
Lemons taste sour|Elephants are large animals|People sleep at night|A triangle has three sides|Ships sail on the sea
""".replace("\n", "|")
COMMON_FALSE = """
Snow is warm|Fish live in trees|Birds have wheels|The sun is cold|A week has four days|Cows eat stones|Ice is frozen milk|Grass is blue
Knives are soft|Sugar tastes salty|Dogs have nine legs|Bees make bread|Rain falls from rocks|Stones are soft|Babies are old
Lemons taste sweet|Elephants are tiny animals|People sleep at work|A triangle has eight sides|Ships sail on the roof
""".replace("\n", "|")


def rows() -> Iterator[Row]:
    """Every text as (set, text, label 0 or 1, group, topic); a split keeps all texts of a group together.

    >>> next(rows())[:3]
    ('sentiment', 'I thought the film was wonderful and we talked about it on the way home', 1)
    """
    for label, words in ((1, POSITIVE), (0, NEGATIVE)):
        for word in words:
            for topic, text in OPINIONS.items():
                yield "sentiment", text.format(word), label, word, topic
    for couple in CAPITALS.replace("\n", " ").split(";"):
        one, town, other, second = couple.split()
        for topic, text in CAPITAL_TEXTS.items():
            for country, city, label in (
                (one, town, 1),
                (other, second, 1),
                (one, second, 0),
                (other, town, 0),
            ):
                yield "truth", text.format(c=country, t=city), label, f"{one} and {other}", topic
    for noun, near in zip(SUBJECTS, OTHERS, strict=True):
        for topic, text in SYNTAX.items():
            for subject, label in ((noun, 0), (noun + "s", 1)):
                for other in (near, near + "s"):
                    yield "syntax", text.format(subject, other), label, noun, topic
    for label, words in ((1, PEOPLE), (0, PLACES)):
        for word in words:
            for topic, text in MENTIONS.items():
                yield "entities", text.format(word), label, word, topic
    for name, good, bad in (
        ("sentiment-implicit", IMPLICIT_GOOD, IMPLICIT_BAD),
        ("truth-common", COMMON_TRUE, COMMON_FALSE),
    ):
        for label, block in ((1, good), (0, bad)):
            for index, text in enumerate(filter(None, block.split("|"))):
                yield name, text, label, f"{label}-{index}", "free"


if __name__ == "__main__":
    with PATH.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["set", "text", "label", "group", "topic"])
        writer.writerows(rows())
    print(f"{PATH.name}: {sum(1 for _ in rows())} texts")
