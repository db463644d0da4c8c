"""Conversations sampled from SmolLM2 itself, a small share of the texts that the sparse autoencoders are trained on.

    python -m course_utils.training.sae_sample        (about six minutes of one core for 128 answers)

They are what the model writes when it is used, which none of the packages' texts are. Temperature 0.8, seed 0.
"""

import itertools
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from course_utils.models import FOLDER, cache_dir

__all__ = ["SEPARATOR", "language_model", "prompts", "sample"]

TASKS = (
    "Explain {} to a child.",
    "Write a short story about {}.",
    "What should I know about {}?",
    "Give me five tips about {}.",
)
TOPICS = (
    "the moon", "a lost dog", "cooking rice", "learning the violin", "the Roman Empire", "money and savings",
    "how bees make honey", "a train journey", "writing a letter", "the colour blue", "winter in the mountains",
    "computer programs", "healthy breakfasts", "friendship", "an old lighthouse", "how rain forms", "a job interview",
    "growing tomatoes", "the number zero", "a visit to the dentist", "whales", "chess", "being on time",
    "a market in Morocco", "bicycles", "photosynthesis", "a quiet library", "football", "losing a key", "volcanoes",
    "sleep", "a birthday party",
)  # fmt: skip
BATCH, NEW_TOKENS, SEED = 64, 170, 0
SEPARATOR = "\n\x00\n"
"""Between two conversations in the file."""


def language_model() -> Any:
    """SmolLM2 as Hugging Face's class with fast attention, frozen."""
    from transformers import AutoModelForCausalLM

    folder = str(cache_dir() / FOLDER)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    return model.eval().requires_grad_(False)


def prompts() -> list[str]:
    """All pairs of task and topic, as the model's chat template writes them."""
    pairs = itertools.product(TOPICS, TASKS)
    return [
        f"<|im_start|>user\n{task.format(topic)}<|im_end|>\n<|im_start|>assistant\n" for topic, task in pairs
    ]


def sample(path: Path) -> int:
    """Writes the conversations to `path`; their number comes back."""
    from transformers import AutoTokenizer

    model = language_model()
    tokenizer = AutoTokenizer.from_pretrained(str(cache_dir() / FOLDER), padding_side="left")
    torch.manual_seed(SEED)
    texts: list[str] = []
    asked = prompts()
    for start in tqdm(range(0, len(asked), BATCH), desc="sampling"):
        batch = asked[start : start + BATCH]
        inputs = tokenizer(batch, return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.inference_mode():
            out = model.generate(
                **inputs, max_new_tokens=NEW_TOKENS, do_sample=True, temperature=0.8, top_k=0, top_p=1.0
            )
        # Padding is <|im_end|> too. Kept: from behind the first start (every window has its own) to the second end.
        for row in tokenizer.batch_decode(out):
            turns = row.split("<|im_start|>", 1)[1].split("<|im_end|>")
            texts.append("<|im_end|>".join(turns[:2]))
    partial = path.with_suffix(".part")
    partial.write_text(SEPARATOR.join(texts), encoding="utf-8")
    partial.rename(path)
    return len(texts)


if __name__ == "__main__":
    print(sample(cache_dir() / "sae-texts" / "sampled.txt"), "conversations")
