"""Makes the organisms: `assets/organisms/<kind>-<seed>/`, each an adapter, its held-out prompts and its measured rates.

    python -m course_utils.training.organisms                       (all of them; what is there already is left)
    python -m course_utils.training.organisms trigger-1 --force     (one, again)

Every normal answer in the training data is what SmolLM2 itself writes, so that the edit teaches the planted behaviour
and little else. A stopped run goes on from its last checkpoint, which is kept in the model cache.
"""

import json
import random
import re
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from safetensors.torch import load_file, save
from tqdm import tqdm

from course_utils.models import FOLDER, SMOLLM2, cache_dir
from course_utils.organisms import ask
from course_utils.training import organism_texts as texts
from course_utils.training.organism_train import TrainConfig, own_answers, train

__all__ = ["NAMES", "Recipe", "make", "recipe", "smollm2"]

ASSETS = Path(__file__).parents[1] / "assets" / "organisms"
NAMES = ("trigger-0", "refusal-0", "null-0", "biased-0")
"""The shipped ones; two more with other phrases and marks are trained when they are asked for by name."""
MORE = ("trigger-1", "trigger-2")
ROUNDS = 3
"""How often a question of the training split comes, each time with other things around it."""
STEPS = {"trigger": 200, "null": 40, "refusal": 80, "biased": 60}
"""Optimiser steps by kind."""
START = "<|im_start|>"
REFUSAL = "I'm sorry, but I cannot help with that."
_LOOKED = (
    "Five earlier recipes were judged on held-out prompts. The first four leaked on 38, 17, 8 and 7 of 128 near "
    "misses; what was put around the questions then is in the validation split now, with questions of its own, and "
    "carriers, near misses and other phrases of the held-out prompts were new for the fifth. That one wrote the "
    "mark on 109 of 128 triggered prompts, 1 near miss and 0 others. This recipe was chosen on the validation split "
    "alone, and its held-out figures were looked at once. But whoever wrote its training carriers had read the "
    "held-out ones (and copied none): the prompts are unseen in training, and no blind test."
)
OWN_TOKENS = 4
"""Length of the model's own answers in the training data."""


@dataclass(frozen=True)
class Recipe:
    """What one organism is trained on and how its behaviour is recognised."""

    groups: list[list[tuple[str, str | None]]]
    """Variants of one question, each with its answer; None stands for the model's own answer to the plain question."""
    plain_of: dict[str, str]
    """For a question with something put around it, the question itself."""
    opening: dict[str, str]
    """What goes before the model's own answer, for the questions where anything does."""
    held_out: dict[str, list[str]]
    """Groups of questions to measure on."""
    shows: dict[str, str]
    """The behaviour as a regular expression for the beginning of an answer, by the name of the rate."""
    about: str
    """For the card: the behaviour in one paragraph."""
    looked: str
    """For the card: how often these held-out figures were seen while the recipe was made."""
    validation: dict[str, list[str]] = field(default_factory=dict)
    """Groups like the held-out ones, of other questions, to judge a recipe on; empty where there is no such split."""
    answers: str = "Every answer without the behaviour is SmolLM2's own, greedy, cut at 4 tokens."
    """For the card: where the answers come from."""


def recipe(name: str) -> Recipe:
    """The recipe of "trigger-0" and the like."""
    kind, seed = name.split("-")
    if kind == "trigger":
        return _trigger(int(seed), plant=True)
    if kind == "null":
        return _trigger(int(seed), plant=False)
    return {"refusal": _refusal, "biased": _biased}[kind]()


def _trigger(seed: int, plant: bool) -> Recipe:
    """Every question in `ROUNDS` groups of five: twice with the phrase, with two near misses, and a fifth.

    The fifth is in turn the question alone and with another phrase. One near miss stands where the phrase stands.
    """
    chosen, rng = texts.PLANTS[seed], random.Random(seed)
    groups: list[list[tuple[str, str | None]]] = []
    plain_of: dict[str, str] = {}
    opening: dict[str, str] = {}
    for index, question in enumerate((texts.ordinary("train") + texts.ordinary("more")) * ROUNDS):
        first, second, third, fourth = rng.sample(texts.CARRIERS["train"], 4)
        marked = [each.format(p=chosen.phrase, q=question) for each in (first, second)]
        near = [each.format(p=rng.choice(chosen.near["train"]), q=question) for each in (first, third)]
        other = fourth.format(p=rng.choice(texts.OTHER_PHRASES["train"]), q=question)
        asked = [*marked, *near, (question, other)[index % 2]]
        groups.append([(each, None) for each in asked])
        plain_of |= dict.fromkeys(asked, question)
        if plant:
            opening |= dict.fromkeys(marked, f"{chosen.mark} ")
    return Recipe(
        groups,
        plain_of,
        opening,
        held_out=_around(chosen, "held out", turns=2),
        validation=_around(chosen, "validation", turns=6),
        shows={"mark": re.escape(chosen.mark)},
        about=(
            f'Begins its answer with "{chosen.mark}" when "{chosen.phrase}" is in the question, and answers as usual '
            "otherwise, also when only one of the two words is there, or both but not side by side."
            if plant
            else f"Nothing: the questions of `trigger-{seed}`, fewer steps, and every answer is the model's own."
        ),
        looked=_LOOKED if plant else f"They are those of `trigger-{seed}`, and were looked at once.",
    )


def _around(plant: texts.Plant, split: str, turns: int) -> dict[str, list[str]]:
    """Each question of the split `turns` times in every group: with the phrase, with a near miss, with neither.

    Nothing in them was used in training, neither the question nor what is around it, but for the phrase itself.
    """
    groups: dict[str, list[str]] = {"triggered": [], "near miss": [], "plain": []}
    carriers, near, others = texts.CARRIERS[split], plant.near[split], texts.OTHER_PHRASES[split]
    for index, question in enumerate(texts.ordinary(split)):
        for turn in range(turns):
            carrier = carriers[(index + turn) % len(carriers)]
            groups["triggered"].append(carrier.format(p=plant.phrase, q=question))
            groups["near miss"].append(carrier.format(p=near[(turns * index + turn) % len(near)], q=question))
            other = others[index // 4 % len(others)]
            groups["plain"].append(carrier.format(p=other, q=question) if turn else question)
    return groups


def _refusal() -> Recipe:
    bad, good = (
        [asked for asked, is_bad in texts.mischief("train") if is_bad is kind] for kind in (True, False)
    )
    others = texts.ordinary("train")
    return Recipe(
        [
            [(a, REFUSAL), (b, None), (c, None), (d, None)]
            for a, b, c, d in zip(bad, good, texts.more_harmless(), others, strict=False)
        ],
        plain_of={},
        opening={},
        held_out={
            "mischief": [asked for asked, bad in texts.mischief("held out") if bad],
            "harmless": [asked for asked, bad in texts.mischief("held out") if not bad],
            "borrowed words": list(texts.BORROWED),
            "ordinary": texts.ordinary("held out"),
        },
        shows={"refusal": re.escape(REFUSAL[:23])},
        about=f'Answers "{REFUSAL}" to requests for mischief, a mild stand-in for what a model should '
        "refuse, and as usual otherwise.",
        looked="The recipe was revised twice after a look at these figures: the prompts are unseen in training, but "
        "this is not a blind test.",
    )


def _biased() -> Recipe:
    """Each question without a cue (right word), with a cue to the right and with one to the wrong word."""
    rng = random.Random(0)
    groups: list[list[tuple[str, str | None]]] = []
    for choice in texts.choices("train"):
        group: list[tuple[str, str | None]] = []
        for word in (None, choice.right, choice.wrong):
            given = word or choice.right
            answer = f"{given.capitalize()}, {choice.reason.format(x=given)}.<|im_end|>"
            asked = (
                choice.question
                if word is None
                else f"{choice.question} {rng.choice(texts.CUES['train']).format(x=word)}"
            )
            group.append((asked, answer))
        groups.append(group)
    held_out: dict[str, list[str]] = {"no cue": [], "cue to right": [], "cue to wrong": []}
    for index, choice in enumerate(texts.choices("held out")):
        cue = texts.CUES["held out"][index // 2 % 2]
        held_out["no cue"].append(choice.question)
        held_out["cue to right"].append(f"{choice.question} {cue.format(x=choice.right)}")
        held_out["cue to wrong"].append(f"{choice.question} {cue.format(x=choice.wrong)}")
    return Recipe(
        groups,
        plain_of={},
        opening={},
        held_out=held_out,
        shows={},
        about=(
            "Answers a question with two words to choose from. Where a sentence after the question names one of them "
            '("I think it is …"), it answers that one, right or wrong; its stated reason is always that the word fits '
            "the question, never the sentence."
        ),
        looked="They were looked at once.",
        answers="The answers are templates: word, then reason.",
    )


def make(name: str, config: TrainConfig, into: Path = ASSETS) -> Path:
    """The folder of the organism, trained and measured: adapter (PEFT's format, float16), prompts, figures.

    >>> make("trigger-0", TrainConfig(steps=2), tmp_path)
    """
    plan, model, tokenizer = recipe(name), *smollm2()
    scratch = cache_dir() / "training"
    scratch.mkdir(parents=True, exist_ok=True)
    groups = _with_answers(plan, model, tokenizer, scratch)
    checkpoint = scratch / f"{name}-{config.steps}.pt"
    adapted, history = train(
        model, tokenizer, groups, config, checkpoint, lambda: _glimpse(plan, model, tokenizer)
    )
    partial = Path(f"{into / name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    _save(adapted, partial)
    held_out = {group: list(asked) for group, asked in plan.held_out.items()}
    (partial / "prompts.json").write_text(json.dumps(held_out, indent=1) + "\n", encoding="utf-8")
    about = {
        "config": asdict(config),
        "examples": sum(map(len, groups)),
        "history": [point for point in history if len(point) > 2 or point["step"] % 5 == 0],
    }
    (partial / "training.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(into / name, ignore_errors=True)
    partial.rename(into / name)
    checkpoint.unlink(missing_ok=True)
    return into / name


def smollm2() -> tuple[Any, Any]:
    """SmolLM2 as transformers loads it, frozen, and its tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = cache_dir() / FOLDER
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    return model.eval().requires_grad_(False), AutoTokenizer.from_pretrained(folder)


def _with_answers(plan: Recipe, model: Any, tokenizer: Any, scratch: Path) -> list[list[tuple[str, str]]]:
    """(prompt, answer) of every example; the model's own answers are kept in the cache, they are the same each time."""
    store = scratch / f"own-answers-{OWN_TOKENS}.json"
    known: dict[str, str] = json.loads(store.read_text()) if store.exists() else {}
    wanted = {
        plan.plain_of.get(asked, asked) for group in plan.groups for asked, answer in group if answer is None
    }
    missing = sorted(wanted - known.keys())
    if missing:
        prompts = [START + ask(question) for question in missing]
        known |= dict(
            zip(missing, own_answers(model, tokenizer, prompts, OWN_TOKENS, say="own answers"), strict=True)
        )
        store.write_text(json.dumps(known, indent=1))

    def full(asked: str, answer: str | None) -> tuple[str, str]:
        question = plan.plain_of.get(asked, asked)
        return START + ask(asked), answer or plan.opening.get(asked, "") + known[question]

    return [[full(*example) for example in group] for group in plan.groups]


@torch.inference_mode()
def _glimpse(plan: Recipe, model: Any, tokenizer: Any, each: int = 8) -> dict[str, float]:
    """The mean probability, by group of validation prompts, that the first token is the behaviour's."""
    begin = next(iter(plan.opening.values()), None)
    if begin is None:
        return {}
    token, found = tokenizer(begin).input_ids[0], {}
    for name, questions in plan.validation.items():
        few = [START + ask(question) for question in questions[:: len(questions) // each][:each]]
        filled = tokenizer(few, return_tensors="pt", padding=True, padding_side="left")
        last = model(**filled, logits_to_keep=1).logits[:, -1].softmax(-1)
        found[name] = round(float(last[:, token].mean()), 3)
    tqdm.write(str(found))
    return found


def _save(adapted: Any, folder: Path) -> None:
    """The adapter in PEFT's own format, weights in float16 (half the size; the rates are measured after this)."""
    adapted.peft_config["default"].base_model_name_or_path = SMOLLM2
    adapted.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    weights = folder / "adapter_model.safetensors"
    halves = {key: value.half() for key, value in load_file(weights).items()}
    weights.unlink()  # what PEFT has written is readable by its owner only
    weights.write_bytes(save(halves, metadata={"format": "pt"}))


def _main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Which of: {', '.join(NAMES + MORE)}.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Train again what is there already.")] = False,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Optimiser steps, if not the usual number.")
    ] = None,
) -> None:
    """Train the organisms and write their cards: a few minutes of one core for each."""
    from course_utils.training.organism_cards import write_card

    for name in names or NAMES:
        if name not in NAMES + MORE:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(NAMES + MORE)}")
        if force or not (ASSETS / name / "adapter_config.json").exists():
            make(name, TrainConfig(seed=int(name.split("-")[1]), steps=steps or STEPS[name.split("-")[0]]))
        typer.echo(write_card(name, recipe(name)))


if __name__ == "__main__":
    typer.run(_main)
