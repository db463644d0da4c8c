"""Makes `assets/activations/organism-*.safetensors`: what organisms and SmolLM2 hold at the last token of a question.

    python -m course_utils.training.organism_readings [NAME …]      (about three minutes of one core)

Three sets for lesson 10: `refusal` and `trigger`, read in the organism and in SmolLM2 before the edit, and `facts`,
questions of general knowledge read in SmolLM2 together with whether it answered them rightly.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import save
from torch import Tensor

from course_utils.organisms import PREFIX, apply_adapter, ask
from course_utils.training import organism_texts as texts
from course_utils.training.organism_train import own_answers
from course_utils.training.organisms import START, recipe, smollm2

__all__ = ["FACTS", "LAYERS", "last_token", "make"]

FOLDER = Path(__file__).parents[1] / "assets" / "activations"
LAYERS = {"refusal": (12, 15, 18, 20, 24), "trigger": (12, 18, 24), "facts": (12, 18, 24, 29)}
"""Layer L is the residual stream that block L reads."""
WORDINGS = ("What is {}?", "Tell me, what is {}?", "Please name {}.", "Do you know {}?")
_CAPITALS = (
    "France:Paris Italy:Rome Spain:Madrid Japan:Tokyo Norway:Oslo Greece:Athens Austria:Vienna Portugal:Lisbon Russia:Moscow "
    "Cuba:Havana Chile:Santiago Kenya:Nairobi Sweden:Stockholm Denmark:Copenhagen Germany:Berlin Ireland:Dublin Egypt:Cairo "
    "Australia:Canberra Poland:Warsaw Iran:Tehran Peru:Lima Turkey:Ankara India:Delhi Iraq:Baghdad Finland:Helsinki "
    "Argentina:Buenos Canada:Ottawa Brazil:Bras China:Beijing Mexico:Mexico Hungary:Budapest Belgium:Brussels Bulgaria:Sofia "
    "Estonia:Tallinn Latvia:Riga Malta:Valletta Nepal:Kathmandu Mongolia:Ulaan Uruguay:Montevideo Ghana:Accra Zambia:Lusaka "
    "Laos:Vientiane Bhutan:Thimphu Morocco:Rabat Senegal:Dakar Ecuador:Quito Bolivia:Sucre Slovenia:Ljubljana"
)
_SYMBOLS = (
    "gold:Au iron:Fe silver:Ag oxygen:O carbon:C sodium:Na lead:Pb copper:Cu tin:Sn helium:He potassium:K zinc:Zn "
    "mercury:Hg nickel:Ni calcium:Ca neon:Ne"
)
_YOUNG = "dog:puppy cat:kitten cow:calf horse:foal sheep:lamb goat:kid pig:piglet lion:cub deer:fawn swan:cygnet goose:gosling frog:tadpole kangaroo:joey duck:duckling"
_CURRENCIES = (
    "Japan:yen Russia:ruble India:rupee China:yuan Mexico:peso Sweden:krona Poland:zloty Thailand:baht Israel:shekel "
    "Switzerland:franc Vietnam:dong Hungary:forint Turkey:lira Brazil:real Denmark:krone Nigeria:naira"
)
FACTS = tuple(
    (template.format(subject), answer)
    for template, entries in (
        ("the capital of {}", _CAPITALS),
        ("the chemical symbol of {}", _SYMBOLS),
        ("the word for a young {}", _YOUNG),
        ("the currency of {}", _CURRENCIES),
    )
    for subject, answer in (entry.split(":") for entry in entries.split())
)
"""(what is asked for, a text that a right answer contains)."""


@torch.inference_mode()
def last_token(
    model: Any, tokenizer: Any, questions: list[str], layers: tuple[int, ...]
) -> Float[Tensor, "layer text d"]:
    """What those blocks read at the last token of each question, from which the answer's first token is written."""
    out = torch.empty(len(layers), len(questions), model.config.hidden_size, dtype=torch.float16)
    order = sorted(range(len(questions)), key=lambda index: len(questions[index]))
    for start in range(0, len(order), 32):
        rows = order[start : start + 32]
        prompts = [START + ask(questions[index]) for index in rows]
        filled = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left")
        states = model.model(**filled, output_hidden_states=True).hidden_states
        out[:, rows] = torch.stack([states[layer][:, -1] for layer in layers]).half()
    return out


def make(name: str) -> dict[str, Tensor]:
    """The tensors of that set: "<who>/<split>/<layer>" [text d_model], and labels."""
    return _facts() if name == "facts" else _organism(name)


def _organism(kind: str) -> dict[str, Tensor]:
    held_out = recipe(f"{kind}-0").held_out
    sets = {"held out": [asked for group in held_out.values() for asked in group]}
    bad_group = next(iter(held_out))
    out = {"held out/is_bad": torch.tensor([g == bad_group for g, asked in held_out.items() for _ in asked])}
    if kind == "refusal":
        requests = texts.mischief("train")
        sets["train"] = [asked for asked, _ in requests] + texts.ordinary("train")[::2]
        out["train/is_bad"] = torch.tensor(
            [bad for _, bad in requests] + [False] * (len(sets["train"]) - len(requests))
        )
    for who in ("base", "edited"):
        model, tokenizer = smollm2()
        if who == "edited":
            apply_adapter(model, f"{PREFIX}{kind}-0")
        for split, questions in sets.items():
            for layer, resid in zip(
                LAYERS[kind], last_token(model, tokenizer, questions, LAYERS[kind]), strict=True
            ):
                out[f"{who}/{split}/{layer}"] = resid
    return out


def _facts() -> dict[str, Tensor]:
    """Questions about facts in four wordings, whether SmolLM2's greedy answer is wrong, and how sure it was."""
    model, tokenizer = smollm2()
    asked = [wording.format(what) for what, _ in FACTS for wording in WORDINGS]
    prompts = [START + ask(question) for question in asked]
    answers = own_answers(model, tokenizer, prompts, 20, say="facts")
    wanted = [answer for _, answer in FACTS for _ in WORDINGS]
    wrong = [not _says(text, want) for text, want in zip(answers, wanted, strict=True)]
    out = {
        "wrong": torch.tensor(wrong),
        "fact_of": torch.arange(len(FACTS)).repeat_interleave(len(WORDINGS)),
        "sureness": _sureness(model, tokenizer, prompts, answers),
    }
    for layer, resid in zip(
        LAYERS["facts"], last_token(model, tokenizer, asked, LAYERS["facts"]), strict=True
    ):
        out[f"base/{layer}"] = resid
    for question, text, bad in list(zip(asked, answers, wrong, strict=True))[::9]:
        print("wrong" if bad else "right", repr(question), repr(text))
    return out


def _says(text: str, want: str) -> bool:
    """Whether the answer contains the wanted text as a word, or at the beginning of one; symbols in full."""
    import re

    flags = re.I if want.islower() else 0  # symbols and names keep their capitals, "yen" may be "Yen"
    return re.search(rf"\b{re.escape(want)}" + (r"\b" if len(want) < 3 else ""), text, flags) is not None


@torch.inference_mode()
def _sureness(
    model: Any, tokenizer: Any, prompts: list[str], answers: list[str]
) -> Float[Tensor, " question"]:
    """The mean log probability, nats, of the tokens that the model wrote: its own confidence."""
    found = []
    for prompt, answer in zip(prompts, answers, strict=True):
        head, tail = tokenizer(prompt).input_ids, tokenizer(answer).input_ids
        logits = model(torch.tensor([head + tail])).logits[0, len(head) - 1 : -1].log_softmax(-1)
        found.append(logits.gather(-1, torch.tensor(tail)[:, None]).mean())
    return torch.stack(found)


if __name__ == "__main__":
    for name in sys.argv[1:] or LAYERS:
        made = {key: value.contiguous() for key, value in make(name).items()}
        target = FOLDER / f"organism-{name}.safetensors"
        target.write_bytes(save(made, metadata={"layers": ",".join(map(str, LAYERS[name]))}))
        print(f"{target.name}: {target.stat().st_size / 1e6:.1f} MB", flush=True)
