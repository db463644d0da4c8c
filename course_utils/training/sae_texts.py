"""The texts that the sparse autoencoders are trained on, from packages, and windows of tokens made of them.

    python -m course_utils.training.sae_texts   (31 MB of packages into the cache, and six minutes of sampling, once)

Only texts that are in the public domain or under a permissive licence: `SOURCES` names package and licence of each.
Debian's come through `apt-get download` and `dpkg -x`, the dialogues through `pip download`: nothing is installed, and
no text is copied into the repository, except for the snippets around the activations that the banks show.
"""

import calendar
import gzip
import random
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jaxtyping import Int

from course_utils.models import cache_dir
from course_utils.training.sae_sample import SEPARATOR, sample

__all__ = ["SOURCES", "Source", "Windows", "documents", "fetch", "make_windows"]

WIDTH = 128
"""Tokens in one window, with the start token at position 0."""
SEED = 0


@dataclass(frozen=True)
class Source:
    """One kind of text."""

    package: str
    """The package that carries it; empty for texts that the course makes itself."""
    licence: str
    share: float
    """Of the windows that are mixed; "sampled" comes behind them, all there is."""


SOURCES = {
    "dictionary": Source("wordnet-base (Debian)", "WordNet 3.0 licence, © 2006 Princeton University", 0.22),
    "jargon": Source("dict-jargon (Debian)", "public domain (the Jargon File, version 4.4.7)", 0.13),
    "bible": Source("bible-kjv-text (Debian)", "public domain (King James Version, 1611)", 0.15),
    "python-docs": Source("python3.11-doc (Debian)", "PSF licence", 0.19),
    "code": Source("libpython3.11-stdlib (Debian)", "PSF licence", 0.13),
    "sqlite-docs": Source("sqlite3-doc (Debian)", "public domain (SQLite's authors)", 0.08),
    "dialogue": Source("chatterbot-corpus (PyPI)", "BSD licence", 0.05),
    "numbers": Source("", "made by this script", 0.03),
    "sampled": Source("", "written by SmolLM2 (`sae_sample`)", 0.0),
}
"""What each kind is and where it comes from."""

DEBIAN = (
    "wordnet-base", "dict-jargon", "bible-kjv-text", "bible-kjv", "python3.11-doc", "libpython3.11-stdlib",
    "sqlite3-doc",
)  # fmt: skip
DIALOGUES = (
    "ai", "coding", "computers", "conversations", "emotion", "food", "greetings", "history", "literature",
    "money", "science", "sports", "tech_support", "trivia",
)  # fmt: skip


def fetch(folder: Path | None = None) -> Path:
    """The folder with the unpacked packages, downloaded if they are not there yet. Nothing is installed."""
    folder = folder or cache_dir() / "sae-texts"
    folder.mkdir(parents=True, exist_ok=True)
    for package in DEBIAN:
        target = folder / package
        if not target.exists():
            subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=True)
            (deb,) = folder.glob(f"{package}_*.deb")
            partial = folder / f"{package}.part"
            partial.mkdir(exist_ok=True)
            subprocess.run(["dpkg", "-x", deb, partial], check=True)
            partial.rename(target)
    if not (folder / "chatterbot-corpus").exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
        subprocess.run([*pip, "chatterbot-corpus==1.3.3"], check=True)
        (wheel,) = folder.glob("chatterbot_corpus-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "chatterbot-corpus")
    if not (folder / "sampled.txt").exists():
        sample(folder / "sampled.txt")
    return folder


def documents(source: str, folder: Path) -> Iterator[str]:
    """The documents of one source, in an order fixed by `SEED`."""
    made = [text for text in _READERS[source](folder) if not _COARSE.search(text)]
    random.Random(SEED).shuffle(made)
    yield from made


def _wordnet(folder: Path) -> Iterator[str]:
    """Twelve neighbouring entries at a time: "word: meaning"."""
    for part in ("noun", "verb", "adj", "adv"):
        entries = []
        for line in (folder / f"wordnet-base/usr/share/wordnet/data.{part}").open(encoding="utf-8"):
            if not line.startswith(" "):
                entries.append(line.split()[4].replace("_", " ") + ": " + line.split("|", 1)[1].strip())
        yield from ("\n".join(entries[start : start + 12]) for start in range(0, len(entries), 12))


def _jargon(folder: Path) -> Iterator[str]:
    packed = (folder / "dict-jargon/usr/share/dictd/jargon.dict.dz").read_bytes()
    text = gzip.decompress(packed).decode("utf-8")
    text = text[text.index("/dev/null") :]
    for entry in re.split(r"\n\n(?=\S)", text):
        paragraphs = re.split(r"\n\s*\n", re.sub(r"[{}]", "", entry))
        joined = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
        if len(joined) > 300:
            yield joined


def _bible(folder: Path) -> Iterator[str]:
    """One chapter each, without the numbers of the verses."""
    program = folder / "bible-kjv/usr/bin/bible"
    where = ["-p", str(folder / "bible-kjv-text/usr/lib"), "-l100000", "gen1:1-rev22:21"]
    text = subprocess.run(
        [program, *where], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    for chapter in re.split(r"\n\n(?=[1-3A-Z][A-Za-z ]+ \d+\n)", text.stdout):
        yield re.sub(r"\n\s*\d+ ", "\n", chapter).strip()


def _python_docs(folder: Path) -> Iterator[str]:
    root = folder / "python3.11-doc/usr/share/doc/python3.11/html/_sources"
    for path in sorted(root.rglob("*.rst.txt")):
        if path.parent.name not in ("whatsnew", "distutils"):
            yield from _pieces(path.read_text(encoding="utf-8"), 4000)


def _code(folder: Path) -> Iterator[str]:
    for path in sorted((folder / "libpython3.11-stdlib/usr/lib/python3.11").rglob("*.py")):
        if path.is_file() and not {"lib2to3", "encodings", "test", "pydoc_data"} & set(path.parts):
            yield from _pieces(path.read_text(encoding="utf-8", errors="ignore"), 4000)


def _sqlite_docs(folder: Path) -> Iterator[str]:
    from bs4 import BeautifulSoup

    for path in sorted((folder / "sqlite3-doc/usr/share/doc/sqlite3").glob("*.html")):
        soup = BeautifulSoup(path.read_text(encoding="utf-8", errors="ignore"), "html.parser")
        paragraphs = [" ".join(tag.get_text().split()) for tag in soup.find_all(["p", "li", "h1", "h2"])]
        yield from _pieces("\n\n".join(text for text in paragraphs if 3 < len(text) < 4000), 4000)


def _dialogue(folder: Path) -> Iterator[str]:
    data = folder / "chatterbot-corpus/chatterbot_corpus/data/english"
    for topic in DIALOGUES:
        talks = yaml.safe_load((data / f"{topic}.yml").read_text(encoding="utf-8"))["conversations"]
        turns = ["\n".join(f"{'BA'[i % 2 == 0]}: {turn}" for i, turn in enumerate(talk)) for talk in talks]
        yield from ("\n\n".join(turns[start : start + 8]) for start in range(0, len(turns), 8))


_GOODS: tuple[str, ...] = (
    "apples",
    "bread",
    "candles",
    "doors",
    "eggs",
    "flour",
    "gloves",
    "hats",
    "ink",
    "jars",
    "keys",
    "lamps",
)
_GOODS += ("maps", "nails", "oil", "paper")


def _numbers(folder: Path) -> Iterator[str]:
    """Sums, dates, prices, times and small tables, from a seed."""
    rng = random.Random(SEED)
    for _ in range(700):
        a, b, c = rng.randint(2, 99), rng.randint(2, 99), rng.choice(_GOODS)
        day, month, year = rng.randint(1, 28), rng.choice(calendar.month_name[1:]), rng.randint(1700, 2025)
        lines = [
            f"{a} + {b} = {a + b}, {a} - {b} = {a - b} and {a} x {b} = {a * b}.",
            f"On {day} {month} {year} the shop sold {a} {c} at ${b / 10:.2f} each, which makes ${a * b / 10:.2f}.",
            f"The train leaves at {a % 24}:{b % 60:02d} and arrives {rng.randint(20, 55)} minutes later.",
            f"{rng.randint(1, 99)}% of {a * 100:,} people, about {a * b:,}, were born before {year}.",
            "item | number | price\n"
            + "\n".join(
                f"{g} | {rng.randint(1, 400)} | {rng.random() * 30:.2f}" for g in rng.sample(_GOODS, 4)
            ),
            ", ".join(str(a + b * step) for step in range(8)),
        ]
        rng.shuffle(lines)
        yield "\n".join(lines)


def _sampled(folder: Path) -> Iterator[str]:
    yield from (folder / "sampled.txt").read_text(encoding="utf-8").split(SEPARATOR)


def _pieces(text: str, size: int) -> Iterator[str]:
    """The text cut at blank lines into pieces of at least `size` characters."""
    piece = ""
    for paragraph in text.split("\n\n"):
        piece += paragraph + "\n\n"
        if len(piece) > size:
            yield piece.strip()
            piece = ""
    if len(piece) > 400:
        yield piece.strip()


_COARSE = re.compile(r"offensive|\bslur|obscen|vulgar|derogat|disparag|\bfuck|\bshit|\brape", re.IGNORECASE)
"""Documents with these are left out: a course shows snippets to everybody."""

_READERS = {
    "dictionary": _wordnet,
    "jargon": _jargon,
    "bible": _bible,
    "python-docs": _python_docs,
    "code": _code,
    "sqlite-docs": _sqlite_docs,
    "dialogue": _dialogue,
    "numbers": _numbers,
    "sampled": _sampled,
}


@dataclass(frozen=True)
class Windows:
    """Windows of tokens, each from one document, in an order that mixes the sources."""

    tokens: Int[np.ndarray, "window pos"]
    """Token ids; position 0 holds the start token."""
    source: Int[np.ndarray, " window"]
    """An index into `list(SOURCES)`."""
    held_out: np.ndarray
    """Whether the window's document was kept away from training (one document in twelve)."""


def make_windows(folder: Path, tokenizer: Any, n_mixed: int, n_kept: int, width: int = WIDTH) -> Windows:
    """`n_kept` of about `n_mixed` windows with the shares of `SOURCES`, in an order that mixes them; then "sampled"."""
    rng, rows = np.random.default_rng(SEED), []
    for index, (name, source) in enumerate(SOURCES.items()):
        if source.share:
            rows += _windows_of(index, name, folder, tokenizer, width, round(source.share * n_mixed))
    order = _mixed(rng.permutation(len(rows)).tolist(), [row[2] for row in rows])
    rows = [rows[i] for i in order[:n_kept]]
    rows += _windows_of(len(SOURCES) - 1, "sampled", folder, tokenizer, width)
    tokens, source_of, held_out = zip(*rows, strict=True)
    return Windows(np.array(tokens, np.uint16), np.array(source_of, np.uint8), np.array(held_out))


def _windows_of(
    index: int, name: str, folder: Path, tokenizer: Any, width: int, wanted: int | None = None
) -> list[tuple[list[int], int, bool]]:
    """(tokens, source, held out) of this source's windows, until a document ends behind the `wanted`-th."""
    rows: list[tuple[list[int], int, bool]] = []
    for number, text in enumerate(documents(name, folder)):
        if wanted is not None and len(rows) >= wanted:
            break
        ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        for start in range(0, len(ids) - (width - 1) + 1, width - 1):
            rows.append(([tokenizer.bos_token_id, *ids[start : start + width - 1]], index, number % 12 == 5))
    return rows


def _mixed(order: list[int], held_out: list[bool]) -> list[int]:
    """The same order, but six held-out windows in every 32 as long as there are any.

    However early the harvest is stopped, there is enough text to measure on.
    """
    held = [i for i in order if held_out[i]]
    train = [i for i in order if not held_out[i]]
    mixed = []
    while train or held:
        mixed += held[:6] + train[:26]
        held, train = held[6:], train[26:]
    return mixed


if __name__ == "__main__":
    from course_utils.training.sae_harvest import windows

    made = windows()
    counts = np.bincount(made.source, minlength=len(SOURCES))
    print(f"{len(made.tokens)} windows, {made.held_out.sum()} held out")
    print({name: int(count) for name, count in zip(SOURCES, counts, strict=True)})
