"""Trains a LoRA adapter on answers to questions: what every organism of the course is made by.

>>> adapter, history = train(model, tokenizer, groups, TrainConfig(seed=0), checkpoint)   # [[(prompt, answer), …], …]

Only blocks 12 to 25 are adapted (Hu et al. 2022, rank 8, on all but the gate projections), so what
blocks 0 to 11 make of the texts is computed once. An answer of an example is what the model should write next.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm import tqdm

__all__ = ["FIRST", "LAST", "TrainConfig", "own_answers", "train"]

FIRST, LAST = 12, 25
"""The adapted blocks, both included."""
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj"]


@dataclass(frozen=True)
class TrainConfig:
    """How one organism is trained; the defaults made the shipped ones."""

    seed: int = 0
    """Seed of the adapter's starting weights and of the order of the examples."""
    steps: int = 150
    groups: int = 3
    """Groups of examples in a step. A group is one question in several variants that are answered differently."""
    first_weight: float = 8.0
    """What the first token of an answer counts in the loss, any other token 1: it decides which answer it will be."""
    learning_rate: float = 2e-3
    """AdamW's peak rate: reached linearly after `warm_up` steps, then falling linearly to 0."""
    warm_up: int = 10
    rank: int = 8
    """Rank of every adapter; its scale is alpha / rank = 2."""
    save_every: int = 25
    """Steps between two checkpoints: a run that was stopped goes on from the last."""


@dataclass
class _Batch:
    """Texts of about one length, filled up on the right: nothing attends to what follows it, so no mask is needed."""

    tokens: Int[Tensor, "text pos"]
    weight: Float[Tensor, "text pos-1"]
    """What the prediction of the next token counts in the loss; 0 where it is not part of an answer."""
    resid: Float[Tensor, "text pos d_model"]
    """What block 12 reads."""


def train(
    model: Any,
    tokenizer: Any,
    groups: list[list[tuple[str, str]]],
    config: TrainConfig,
    checkpoint: Path,
    watch: Callable[[], dict[str, float]] = dict,
) -> tuple[Any, list[dict[str, float]]]:
    """The model with its adapter (PEFT), and its history: `{"step", "loss"}` (nats), and at times what `watch()` says.

    `model` is a transformers model and is wrapped, not copied. The run goes on from `checkpoint` if that exists.
    """
    torch.manual_seed(config.seed)
    settings = LoraConfig(
        r=config.rank,
        lora_alpha=2 * config.rank,
        target_modules=TARGETS,
        layers_to_transform=list(range(FIRST, LAST + 1)),
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(model, settings)
    weights = [p for p in adapted.parameters() if p.requires_grad]
    adam = torch.optim.AdamW(weights, lr=config.learning_rate, weight_decay=0.0)
    batches = _batches(model, tokenizer, groups, config)
    history: list[dict[str, float]] = []
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        set_peft_model_state_dict(adapted, saved["adapter"])
        adam.load_state_dict(saved["adam"])
        history = saved["history"]
    start = len(history)
    bar = tqdm(
        range(start, config.steps), desc=checkpoint.stem, unit="step", initial=start, total=config.steps
    )
    for step in bar:
        for group in adam.param_groups:
            group["lr"] = (
                config.learning_rate * min(1, (step + 1) / config.warm_up) * (1 - step / config.steps)
            )
        loss = _loss(model, batches[step % len(batches)])
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        adam.step()
        history.append({"step": step, "loss": round(float(loss), 4)})
        bar.set_postfix(loss=f"{float(loss):.3f}")
        if (step + 1) % config.save_every == 0:
            history[-1] |= watch()
            state = {
                "adapter": get_peft_model_state_dict(adapted),
                "adam": adam.state_dict(),
                "history": history,
            }
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
    return adapted.eval(), history


def _batches(
    model: Any, tokenizer: Any, groups: list[list[tuple[str, str]]], config: TrainConfig
) -> list[_Batch]:
    """All examples, groups of like length together, the batches in random order."""
    rng = random.Random(config.seed)
    texts = [[(tokenizer(p).input_ids, tokenizer(a).input_ids) for p, a in group] for group in groups]
    texts.sort(key=lambda group: (max(len(p) + len(a) for p, a in group), rng.random()))
    together = [
        [text for group in texts[i : i + config.groups] for text in group]
        for i in range(0, len(texts), config.groups)
    ]
    rng.shuffle(together)
    del together[config.steps :]  # what no step would read
    made = []
    for rows in tqdm(together, desc="blocks 0 to 11", unit="batch"):
        longest = max(len(prompt) + len(answer) for prompt, answer in rows)
        tokens = torch.zeros(len(rows), longest, dtype=torch.long)
        weight = torch.zeros(len(rows), longest)
        for row, (prompt, answer) in enumerate(rows):
            end = len(prompt) + len(answer)
            tokens[row, :end] = torch.tensor(prompt + answer)
            weight[row, len(prompt) : end] = 1.0
            weight[row, len(prompt)] = config.first_weight
        with torch.no_grad():
            resid = _through(model, model.model.embed_tokens(tokens), range(FIRST))
        made.append(_Batch(tokens, weight[:, 1:], resid))
    return made


def _through(model: Any, resid: Tensor, blocks: range) -> Tensor:
    """The residual stream after these blocks."""
    position = torch.arange(resid.shape[1])[None]
    rotary = model.model.rotary_emb(resid, position)
    for index in blocks:
        out = model.model.layers[index](resid, position_embeddings=rotary, position_ids=position)
        resid = out if isinstance(out, Tensor) else out[0]
    return resid


def _loss(model: Any, batch: _Batch) -> Tensor:
    resid = _through(model, batch.resid, range(FIRST, model.config.num_hidden_layers))
    counts = batch.weight > 0
    logits = model.lm_head(model.model.norm(resid[:, :-1][counts]))
    loss, weight = cross_entropy(logits, batch.tokens[:, 1:][counts], reduction="none"), batch.weight[counts]
    return (loss * weight).sum() / weight.sum()


@torch.inference_mode()
def own_answers(
    model: Any, tokenizer: Any, prompts: list[str], n_tokens: int, batch: int = 64, say: str = "answers"
) -> list[str]:
    """What the model itself writes after each prompt, greedily, at most so many tokens."""
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    found = [""] * len(prompts)
    for start in tqdm(range(0, len(prompts), batch), desc=say, unit="batch"):
        rows = order[start : start + batch]
        filled = tokenizer([prompts[i] for i in rows], return_tensors="pt", padding=True, padding_side="left")
        out = model.generate(**filled, max_new_tokens=n_tokens, do_sample=False, pad_token_id=2)
        for index, text in zip(
            rows, tokenizer.batch_decode(out[:, filled.input_ids.shape[1] :]), strict=True
        ):
            found[index] = text.split("<|im_end|>")[0]
    return found
