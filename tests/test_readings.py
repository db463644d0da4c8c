"""Reading a bank: what is read, what is kept for testing, and the numbers of each latent."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from course_utils.readings import Reading, latent_numbers, other_words, plain, word_rule

NAMES = ["<s>", " a", " Cat", "cat", "\n", " dog", " it"]


class Tokenizer:
    def batch_decode(self, rows):
        return ["".join(NAMES[token] for token in row) for row in rows]


def some_bank(seed=0):
    """20 texts of 16 tokens; latent 0 fires on both spellings of cat, latent 1 at random, latent 2 twice."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(1, 7, 320)
    tokens[::16] = 0
    entries = [(t, 0, 5 + rng.random()) for t in np.flatnonzero((tokens == 2) | (tokens == 3))]
    entries += [(t, 1, 1 + rng.random()) for t in rng.choice(np.arange(1, 320), 60, replace=False)]
    entries += [(5, 2, 1.0), (40, 2, 3.0)]
    where, latent, value = map(np.array, zip(*sorted(entries), strict=True))
    where, latent, value = torch.tensor(where), torch.tensor(latent), torch.tensor(value, dtype=torch.float32)

    def of(which):
        return where[latent == which], value[latent == which]

    return SimpleNamespace(
        tokens=torch.tensor(tokens), documents=torch.arange(20).repeat_interleave(16), kept=torch.tensor(tokens) > 0,
        latent=latent, value=value, token_of=where, d_sae=4, of=of,
    )  # fmt: skip


@pytest.fixture
def reading():
    return Reading(some_bank(), Tokenizer())


def test_a_rule_sees_through_blanks_and_capitals():
    assert word_rule([" Cat"])([" a", "cat", " CAT", "cats"]) == [False, True, True, False]
    assert plain("\n") == "\n" and plain(" It ") == "it"


def test_other_words_are_as_frequent_and_are_others():
    spelt = [f"{letter}{other}" for letter in "abcdefghij" for other in "xy" for _ in range(ord(letter) - 96)]
    drawn = [
        other_words({"ax", "jx", "zz"}, [*spelt, "7"], np.random.default_rng(seed)) for seed in range(20)
    ]
    assert all(len(words) == 2 and not words & {"ax", "jx", "zz", "7"} for words in drawn)
    assert all(any(w[0] in "abcde" for w in words) and any(w[0] in "fghij" for w in words) for words in drawn)
    assert len(set().union(*drawn)) > 8, "the same few every time"


def test_words_come_from_the_texts_for_reading_only(reading):
    assert reading.words(0) == ("cat",)
    assert all(int(reading.bank.documents[place]) % 2 == 0 for place in reading.strongest(0))
    values = [float(reading.acts(0)[place]) for place in reading.strongest(0)]
    assert values == sorted(values, reverse=True) and len(values) == 10


def test_what_a_reader_sees_leaves_out_the_texts_for_testing(reading):
    odd = ~reading.for_reading
    assert odd.any() and not reading.acts(1)[odd].any() and reading.acts(1).any()
    bank = reading.bank
    hidden = [int(place) for place in bank.of(1)[0] if odd[place]]
    assert hidden and all("[[" not in reading.marked(1, place, place + 1) for place in hidden)
    places = reading.firings(1)
    assert not set(places) & set(hidden) and len(places) + len(hidden) == len(bank.of(1)[0])
    assert reading.acts(1)[torch.tensor(places)].diff().ge(0).all()
    _, acts, seen = reading.windows(1, np.random.default_rng(0))
    assert ((acts > 0).any(dim=1) & ~seen).any(), "scoring needs the firings in the texts for testing"


def test_firing_tokens_are_marked(reading):
    places = reading.strongest(0, 1)
    assert "[[" in reading.marked(0, places[0], places[0] + 1)
    assert "[[" not in reading.marked(3, 0, 16) and "\n" not in reading.marked(3, 0, 320)


def test_agreement_is_the_share_of_firings_on_the_words(reading):
    assert reading.agreement(0, ["cat"]) == [1, 1, 1, 1] and reading.agreement(0, ["dog"]) == [0, 0, 0, 0]
    assert 0 < np.mean(reading.agreement(1, ["cat"])) < 0.8


def test_only_latents_with_one_story_look_clear(reading):
    assert reading.clear(most_words=1) == [0]


@pytest.mark.parametrize("latent", [0, 1])
def test_windows_are_balanced_and_stay_in_their_text(reading, latent):
    words, acts, seen = reading.windows(latent, np.random.default_rng(1), count=8)
    assert acts.shape == (16, 12) and {len(row) for row in words} == {12} and seen.dtype == torch.bool
    assert ((acts > 0).any(dim=1)).sum() == 8 and 0 < seen.sum() < 16
    assert all("<s>" not in row[1:] for row in words)  # a text begins with it: none is inside a window


def test_numbers_are_what_they_are_called():
    bank = some_bank()
    W_dec = torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 3.0], [0.0, 1.0]])
    numbers = latent_numbers(bank, W_dec)
    fires = (bank.tokens == 2) | (bank.tokens == 3)
    assert numbers["density"][0] == pytest.approx(float(fires.sum() / bank.kept.sum()))
    most = max(int((bank.tokens == token).sum()) for token in (2, 3))
    assert numbers["share on one token"][0] == pytest.approx(most / int(fires.sum()))
    assert numbers["F1 of one token"][0] == pytest.approx(2 * most / (int(fires.sum()) + most))
    value = bank.of(1)[1]
    assert numbers["largest / mean activation"][1] == pytest.approx(float(value.max() / value.mean()))
    cosine = torch.cosine_similarity(W_dec[0], W_dec[1], dim=0)
    assert numbers["cosine with the nearest"][0] == pytest.approx(float(cosine))
    assert all(x[2:].isnan().all() for x in numbers.values())  # two firings, and none


def test_dense_activations_are_those_of_the_bank(reading):
    places = torch.tensor([5, 40, 7])
    dense = reading.dense(places)
    assert dense.shape == (3, 4) and dense[:2, 2].tolist() == [1.0, 3.0]
    assert torch.equal(dense[:, 0], reading.acts(0)[places])


def test_the_table_has_the_best_and_the_worst(reading):
    scores = {
        latent: {"detection": d, "fuzzing": 0.5, "recall": [0.1, d], "false_alarms": 0.0}
        for latent, d in ((0, 0.9), (1, 0.6), (2, 0.7))
    }
    head, first, gap, last = reading.table(scores, best=1, worst=1).splitlines()
    assert (
        first.split()[:2] == ["0", "0.90"] and first.endswith("'cat'") and last.split()[:2] == ["1", "0.60"]
    )
    assert "fires on" in head and gap.strip() == "..."
