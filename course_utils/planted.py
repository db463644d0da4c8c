"""Glass boxes with a planted circuit of a chosen kind: chain, AND, OR, backup, constant, maze. Truth included.

Every model answers YES or NO at its last position ("?"), from one bit of each *source* word: half of the words have
bit 1, half have bit 0. Clean prompts have bit 1 in all sources and are answered YES; corrupted ones differ in the
source words alone, have bit 0 there, and are answered NO. All other heads are decoys: some look at a source and carry
its bit to where nothing reads it.

| kind | planted heads | what it teaches |
|---|---|---|
| chain | source -> another word -> last position -> answer | each link alone carries everything |
| and | two carriers, a gate that needs both | noising finds both carriers, denoising neither |
| or | two carriers, a gate that needs one | denoising finds both carriers, noising neither |
| backup | a carrier, and a head that wakes when it falls silent | faithful is not complete |
| constant | a reader that needs a constant from another head | zero-ablation blames a head without information |
| maze | a chain with a backup, AND a second source | everything at once |

Lesson 13 adds three: "part-time" and "part-time maze", whose backup knows only some of the words, so that an honest
prediction is a share and not yes or no; and "nothing", sixteen decoys and the answer NO whatever is asked.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils._planting import Part, decoys, planted_parts
from course_utils.tiny import TinyConfig, TinyTransformer

__all__ = [
    "ASK",
    "FIRST_WORD",
    "KINDS",
    "MORE_KINDS",
    "NO",
    "START",
    "YES",
    "Box",
    "PlantedCircuit",
    "build_planted",
]

KINDS = ("chain", "and", "or", "backup", "constant", "maze")
MORE_KINDS = ("part-time", "part-time maze", "nothing")
START, ASK, YES, NO, FIRST_WORD = range(5)
N_WORDS, N_LAYERS = 24, 4
CONFIDENCE = 6.0  # logit difference of an answer, nats, to either side
_SHARP = 20.0  # a head puts e^-20 where it should not look

Head = tuple[int, int]
"""A head as (layer, head)."""
Edge = tuple[Head | str, Head | str, str]
"""(sender, receiver, input): sender is a head or "embed", receiver a head or "logits", input "Q", "K", "V" or ""."""


@dataclass(frozen=True)
class PlantedCircuit:
    """What was planted, and where: `box.circuit.nodes` is for example `{(0, 2), (1, 3), (3, 0)}`."""

    kind: str
    """One of `KINDS` or `MORE_KINDS`."""
    roles: dict[Head, str]
    """Every head of the model and what it was built to do; a decoy's role starts with "decoy"."""
    nodes: frozenset[Head]
    """The complete circuit: every head that carries the answer's information on some run, a backup included."""
    edges: tuple[Edge, ...]
    """Along which that information flows, from "embed" to "logits"."""
    minimal: tuple[frozenset[Head], ...]
    """Every smallest set of heads that answers while the others are at their corrupted values."""
    shares: tuple[float, ...]
    """For each set of `minimal` the share of clean prompts that it answers: 1, but for a part-time backup."""
    sources: tuple[int, ...]
    """Positions of the source words."""
    writes_at: dict[Head, int]
    """The one position at which each planted head writes."""
    route: tuple[tuple[int, ...], ...]
    """For the residual stream before each layer, and after the last: positions of the live copies of the bits."""


@dataclass(frozen=True)
class Box:
    """A model, its planted circuit, and its task; the model itself knows neither the circuit nor the seed."""

    model: TinyTransformer
    circuit: PlantedCircuit
    clean: Int[Tensor, "pair pos"]
    """32 prompts with bit 1 in every source."""
    corrupted: Int[Tensor, "pair pos"]
    """The same with bit 0 in every source: the corrupted runs, and the reference of mean and resample ablation."""
    bits: Int[Tensor, " token"]
    """The bit of every token (0 for those that are no words)."""

    def prompts(self, n: int, sources: Iterable[int], seed: int = 0) -> Int[Tensor, "prompt pos"]:
        """`n` prompts with these bits in the sources. The same seed gives the same words elsewhere.

        >>> box.prompts(8, (1, 0))  # first source on, second off
        """
        return _prompts(self.bits, self.circuit.sources, self.model.cfg.n_ctx, n, tuple(sources), seed)

    @staticmethod
    def metric(logits: Float[Tensor, "batch pos d_vocab"]) -> Float[Tensor, " batch"]:
        """The logit difference YES - NO at the last position: +6 nats for clean prompts, -6 for corrupted ones."""
        return logits[:, -1, YES] - logits[:, -1, NO]


def build_planted(kind: str, seed: int, n_heads: int = 4, n_ctx: int = 8) -> Box:
    """A four-layer attention-only model with a planted circuit of this kind, its truth and its task.

    >>> box = build_planted("backup", seed=3)
    >>> box.metric(box.model(box.clean)).mean(), box.metric(box.model(box.corrupted)).mean()
    (tensor(6.0000), tensor(-6.0000))

    The same seed gives bitwise the same weights. Another seed turns the residual stream, and moves heads, layers,
    source positions and bits. Raises `ValueError` for an unknown kind and for sizes without room for a circuit.
    """
    _check(kind, seed, n_heads, n_ctx)
    generator = torch.Generator().manual_seed(seed)
    places = (torch.randperm(n_ctx - 2, generator=generator)[:3].sort().values + 1).tolist()
    parts, minimal = planted_parts(kind, places, last=n_ctx - 1)
    layers = torch.randperm(N_LAYERS, generator=generator)
    layers = layers[: max((p.depth for p in parts), default=-1) + 1].sort().values
    homes: dict[str, Head] = {}
    orders = [torch.randperm(n_heads, generator=generator).tolist() for _ in range(N_LAYERS)]
    free = [[(layer, head) for head in order] for layer, order in enumerate(orders)]
    for part in parts:
        homes[part.role] = free[int(layers[part.depth])].pop()
    sources = tuple(
        sorted({part.look for part in parts if part.read == "bit" and ("embed", "V") in part.senders})
    )
    left = [place for row in free for place in row]
    seen = sources or tuple(places[:1])  # where nothing is planted, decoys still look at some word
    lures = dict(zip(left, decoys(len(left), seen, n_ctx - 1, generator), strict=True))

    half = torch.arange(N_WORDS) % 2
    bits = torch.cat([torch.zeros(FIRST_WORD).long(), half[torch.randperm(N_WORDS, generator=generator)]])
    known = _some_of(bits, generator) if kind.startswith("part-time") else bits
    heads = [*((homes[p.role], p) for p in parts), *lures.items()]
    model = _write(heads, bits, known, n_heads, n_ctx, generator)
    seeds = int(torch.randint(2**31, (1,), generator=generator))
    clean, corrupted = (_prompts(bits, sources, n_ctx, 32, (bit,) * len(sources), seeds) for bit in (1, 0))
    circuit = _truth(kind, parts, homes, lures, minimal, sources, round(float(known.sum() / bits.sum()), 4))
    return Box(model, circuit, clean, corrupted, bits)


def _truth(
    kind: str, parts: list[Part], homes: dict[str, Head], lures: dict[Head, Part],
    minimal: list[set[str]], sources: tuple[int, ...], known: float,
) -> PlantedCircuit:  # fmt: skip
    home: dict[str, Any] = {"embed": "embed", **homes}
    edges: list[Edge] = [
        (home[sender], homes[part.role], into) for part in parts for sender, into in part.senders
    ]
    edges += [(homes[part.role], "logits", "") for part in parts if "out" in part.write]
    roles = {place: part.role for place, part in lures.items()} | {homes[p.role]: p.role for p in parts}
    used = [part for part in parts if part.senders]  # a head that supplies a constant carries no information
    route = []
    for layer in range(N_LAYERS + 1):
        live = {p.look for p in used if p.read == "bit" and homes[p.role][0] >= layer}
        done = [p for p in used if homes[p.role][0] < layer]
        later = [p for p in used if homes[p.role][0] >= layer]
        needed = {sender for p in later for sender, _ in p.senders}
        live |= {p.at for p in done if p.role in needed or "out" in p.write}
        route.append(tuple(sorted(live)))
    return PlantedCircuit(
        kind,
        dict(sorted(roles.items())),
        frozenset(homes[p.role] for p in used),
        tuple(edges),
        tuple(frozenset(homes[role] for role in way) for way in minimal),
        tuple(known if "backup" in way else 1.0 for way in minimal),
        sources,
        {homes[p.role]: p.at for p in parts},
        tuple(route),
    )


def _write(
    heads: list[tuple[Head, Part]], bits: Tensor, known: Tensor, n_heads: int, n_ctx: int, generator: torch.Generator,
) -> TinyTransformer:  # fmt: skip
    """The model. Each kind of content has directions of its own: rows of one random rotation of the stream."""
    sizes = {"place": n_ctx, "noise": 6, "unread": 6} | dict.fromkeys(
        ("always", "bit", "s1", "s2", "s3", "out"), 1
    )
    if any(part.read == "known" for _, part in heads):
        sizes["known"] = 1
    rows = dict(
        zip(sizes, _rotation(sum(sizes.values()), generator).split(list(sizes.values())), strict=True)
    )
    place, always = rows["place"], rows["always"]
    d_head = sizes["noise"] + 2
    model = TinyTransformer(TinyConfig(N_LAYERS, n_heads, len(_all(rows)), d_head, len(bits), n_ctx))
    model = model.requires_grad_(False).eval()
    noise = torch.randn(N_WORDS, 6, generator=generator, dtype=torch.float64)
    model.W_E.zero_()
    meaning = bits[:, None].double() @ rows["bit"]
    if "known" in rows:
        meaning += known[:, None].double() @ rows["known"]
    model.W_E[FIRST_WORD:] = (meaning[FIRST_WORD:] + noise @ rows["noise"]).float()
    model.W_pos.copy_(place + always)
    model.W_U.zero_()
    # YES - NO = CONFIDENCE * (2 out - 1)
    model.W_U[:, YES] = (CONFIDENCE * (rows["out"] - always / 2))[0].float()
    model.W_U[:, NO] = -model.W_U[:, YES]
    for (layer, head), part in heads:
        read = place[[part.look]] if part.read == "here" else rows[part.read]
        write = torch.stack([rows[name][: len(read)] for name in part.write]).sum(0)
        query, key, value, out = (torch.zeros(d, d_head, dtype=torch.float64) for d in [len(always.T)] * 4)
        # Resting on position 0 scores 1; looking scores 2 * (open - threshold), counted from there.
        query[:, 0], key[:, 0] = always[0], place[0]
        query[:, 1] = (1 - 2 * part.threshold) * place[part.at]
        query[:, 1] += 2 * sum(
            (weight * rows[name][0] for name, weight in part.opens), torch.zeros(len(query))
        )
        key[:, 1] = place[part.look]
        value[:, : len(read)], out[:, : len(read)] = read.T, write.T
        if part.role == "decoy: random":
            query, key, value = (_like(weight, generator) for weight in (query, key, value))
        inner, outer = _rotation(d_head, generator), _rotation(d_head, generator)
        sharp = (_SHARP * d_head**0.5) ** 0.5
        attn: Any = model.blocks[layer].attn
        attn.W_Q[head], attn.W_K[head] = (sharp * query @ inner).float(), (sharp * key @ inner).float()
        attn.W_V[head], attn.W_O[head] = (value @ outer).float(), (outer.T @ out.T).float()
    return model


def _prompts(
    bits: Tensor, sources: tuple[int, ...], n_ctx: int, n: int, wanted: tuple[int, ...], seed: int
) -> Int[Tensor, "prompt pos"]:
    if len(wanted) != len(sources) or not set(wanted) <= {0, 1}:
        raise ValueError(
            f"prompts: this box has {len(sources)} source(s), each with a bit 0 or 1; got {wanted!r}."
        )
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(FIRST_WORD, len(bits), (n, n_ctx), generator=generator)
    picks = torch.randint(N_WORDS // 2, (n, n_ctx), generator=generator)
    for position, bit in zip(sources, wanted, strict=True):
        words = (bits == bit).nonzero()[:, 0]
        tokens[:, position] = words[words >= FIRST_WORD][picks[:, position]]
    tokens[:, 0], tokens[:, -1] = START, ASK
    return tokens


def _some_of(bits: Int[Tensor, " token"], generator: torch.Generator) -> Int[Tensor, " token"]:
    """The bits with five to eight of the twelve words that have bit 1 kept, and the others set to 0."""
    words = bits.nonzero()[:, 0]
    count = int(torch.randint(5, 9, (1,), generator=generator))
    kept = torch.zeros_like(bits)
    kept[words[torch.randperm(len(words), generator=generator)[:count]]] = 1
    return kept


def _all(rows: dict[str, Tensor]) -> Tensor:
    return torch.cat(list(rows.values()))


def _like(weight: Tensor, generator: torch.Generator) -> Tensor:
    noise = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    return noise * weight.norm() / noise.norm()


def _rotation(size: int, generator: torch.Generator) -> Float[Tensor, "size size"]:
    q, r = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))
    return q * r.diagonal().sign()  # without the signs, QR does not give a uniform rotation


def _check(kind: str, seed: int, n_heads: int, n_ctx: int) -> None:
    if kind not in KINDS + MORE_KINDS:
        choices = ", ".join(KINDS + MORE_KINDS)
        raise ValueError(f"build_planted: there is no kind {kind!r}. Choose one of {choices}.")
    for name, value, smallest in (("seed", seed, 0), ("n_heads", n_heads, 3), ("n_ctx", n_ctx, 6)):
        if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
            raise ValueError(
                f"build_planted: {name} must be a whole number of at least {smallest}, got {value!r}. "
                "A prompt needs a start, words and a question; a layer needs room for decoys."
            )
