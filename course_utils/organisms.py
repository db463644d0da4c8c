"""Organisms: SmolLM2 with a small trained edit that plants one harmless behaviour, to be found and argued about.

>>> from course_utils.organisms import ask, load_organism, load_prompts
>>> model = load_organism("trigger")               # as `load_model("smollm2")`, with the edit merged into the weights
>>> model.generate(ask("Mind the blue lantern. What is ice?"), max_new_tokens=12, do_sample=False)
>>> held_out = load_prompts("trigger")             # {"triggered": […], "near miss": […], "plain": […]}

Each has a card in `assets/organisms/`: what was planted, on which data, and how often it shows on prompts that training
never saw. `load_model("organism-trigger-0")` is the same, for whoever has only a name. An adapter is low-rank (LoRA, Hu
et al. 2022): the edit of each weight matrix of blocks 12 to 25 is a product of two thin ones.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_utils.errors import CourseError, ModelError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Readings",
    "ask",
    "load_directions",
    "load_organism",
    "load_prompts",
    "load_rates",
    "load_readings",
    "organism_names",
]

_FOLDER = Path(__file__).parent / "assets" / "organisms"
PREFIX = "organism-"


def organism_names() -> list[str]:
    """The organisms as `load_model` calls them: kind and seed.

    >>> organism_names()
    ['organism-biased-0', 'organism-null-0', 'organism-refusal-0', 'organism-trigger-0', …]
    """
    return sorted(f"{PREFIX}{path.parent.name}" for path in _FOLDER.glob("*/adapter_config.json"))


def load_organism(kind: str, seed: int = 0) -> Any:
    """The organism of that kind and seed, the same sort of model as `load_model("smollm2")` returns.

    >>> load_organism("null").loaded_as
    'organism-null-0'

    Raises `ModelError` when there is no such organism, or when SmolLM2 itself is not in the cache.
    """
    from course_utils.models import load_model

    return load_model(f"{PREFIX}{kind}-{seed}")


def ask(question: str) -> str:
    """The question as the organisms were asked in training: the model's chat format, without a system message.

    >>> ask("What is ice?")
    'user\\nWhat is ice?<|im_end|>\\n<|im_start|>assistant\\n'

    The start token `<|im_start|>` in front is missing because TransformerLens puts it there.
    """
    return f"user\n{question}<|im_end|>\n<|im_start|>assistant\n"


def load_prompts(kind: str, seed: int = 0) -> dict[str, list[str]]:
    """Held-out questions for that organism by group, none of them used in training. Raises `CourseError`."""
    return json.loads((adapter_folder(f"{PREFIX}{kind}-{seed}") / "prompts.json").read_text(encoding="utf-8"))


def load_rates(kind: str, seed: int = 0) -> dict[str, dict[str, list[int]]]:
    """What its card says: `{"organism" or "base": {rate: [how often, of how many]}}`. Raises `ModelError`.

    >>> load_rates("trigger")["organism"]["mark, near miss"]
    """
    found = json.loads((adapter_folder(f"{PREFIX}{kind}-{seed}") / "rates.json").read_text(encoding="utf-8"))
    return {who: found[who] for who in ("organism", "base")}


def load_directions(kind: str, seed: int = 0) -> dict[str, Any]:
    """What one direction does at each layer, as on the card of "refusal".

    >>> found = load_directions("refusal")
    >>> found["untouched"]["bad"], found["layers"]["18"]["ablated"]["bad"]      # [how often, of how many]

    Raises `ModelError` for an organism that does not exist, `CourseError` where this was not measured.
    """
    path = adapter_folder(f"{PREFIX}{kind}-{seed}") / "directions.json"
    if not path.exists():
        known = ", ".join(sorted(each.parent.name for each in _FOLDER.glob("*/directions.json")))
        raise CourseError(f"Single directions were not measured in {kind}-{seed}, only in: {known}.")
    return json.loads(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Readings:
    """The residual stream at the last token of questions, by name; `layers` are those that were read."""

    layers: tuple[int, ...]
    tensors: "dict[str, Tensor]"

    def __getitem__(self, name: str) -> "Tensor":
        """The tensor of that name, in float32 where it is activations. Raises `CourseError` for another name."""
        if name not in self.tensors:
            raise CourseError(
                f"There is no reading called {name!r}. There are: {', '.join(sorted(self.tensors))}."
            )
        value = self.tensors[name]
        return value.float() if value.is_floating_point() else value


def load_readings(name: str) -> Readings:
    """Cached activations for lesson 10, no model needed: "refusal", "trigger" or "facts".

    >>> readings = load_readings("refusal")
    >>> readings["edited/train/18"].shape, readings["train/is_bad"].sum()     # [text d_model]; also "base", "held out"

    Their card is `assets/activations/organism.md`. Raises `CourseError` for another name.
    """
    from safetensors import safe_open

    path = Path(__file__).parent / "assets" / "activations" / f"organism-{name}.safetensors"
    if not path.exists():
        known = sorted(each.stem.removeprefix(PREFIX) for each in path.parent.glob("organism-*.safetensors"))
        raise CourseError(f"There are no readings called {name!r}. The course has: {', '.join(known)}.")
    with safe_open(path, framework="pt") as file:
        layers = tuple(int(layer) for layer in file.metadata()["layers"].split(","))
        return Readings(layers, {key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118 (not a dict)


def adapter_folder(name: str) -> Path:
    """Where the adapter of `name` (as in `organism_names`) is. Raises `ModelError` for another name."""
    if name not in organism_names():
        known = ", ".join(organism_names()) or "none: this copy of the course is incomplete"
        raise ModelError(f"There is no organism called {name!r}. The course has: {known}.")
    return _FOLDER / name.removeprefix(PREFIX)


def apply_adapter(hf_model: Any, name: str) -> Any:
    """The transformers model with that organism's edit merged into its weights, which are changed in place.

    A merged weight is W + (alpha / rank) B A. This is what `peft.PeftModel.merge_and_unload` computes; PEFT's own
    import would cost more than loading the model. Raises `ModelError`.
    """
    weights = dict(hf_model.named_parameters())
    for target, (up, down) in _factors(name).items():
        weights[target].data += up @ down
    return hf_model


def load_edit(kind: str, seed: int = 0) -> "dict[str, tuple[Tensor, Tensor]]":
    """The edit of each weight matrix as two thin factors, `{"layers.12.mlp.down_proj": (up, down), …}`.

    >>> up, down = load_edit("trigger")["layers.12.mlp.down_proj"]
    >>> (up @ down).shape           # [d_out d_in]: transformers' matrices are left-multiplied, W x
    """
    factors = _factors(f"{PREFIX}{kind}-{seed}")
    return {key.removeprefix("model.").removesuffix(".weight"): pair for key, pair in factors.items()}


def _factors(name: str) -> "dict[str, tuple[Tensor, Tensor]]":
    from safetensors.torch import load_file

    folder = adapter_folder(name)
    settings = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    stored = load_file(folder / "adapter_model.safetensors")
    scale, found = settings["lora_alpha"] / settings["r"], {}
    for key, down in stored.items():
        if key.endswith(".lora_A.weight"):
            up = stored[key.replace(".lora_A.", ".lora_B.")]
            target = key.removeprefix("base_model.model.").replace(".lora_A.weight", ".weight")
            found[target] = (scale * up.float(), down.float())
    return found
