"""The fast sweeps give what patching with hooks gives, one patch at a time; the shipped result says it is the same."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import course_utils
from course_utils.models import load_model, model_problem
from course_utils.prompts import load_pairs
from course_utils.sweeps import _bar, sweep_heads, sweep_positions

needs_model = pytest.mark.skipif(
    model_problem() is not None, reason="needs SmolLM2: run `course fetch-models`"
)


@pytest.fixture(scope="module")
def task() -> dict[str, Any]:
    model, pairs = load_model("smollm2"), load_pairs("capital")[:2]
    sides = {
        side: [getattr(pair, side) for pair in pairs] for side in ("clean", "corrupted", "right", "wrong")
    }
    tokens = {side: model.to_tokens(sides[side]) for side in ("clean", "corrupted")}
    answers = {
        side: torch.tensor([model.to_single_token(text) for text in sides[side]])
        for side in ("right", "wrong")
    }
    return {"model": model, **tokens, **answers}


def by_hooks(task: dict[str, Any], name: str, index: tuple[Any, ...]) -> torch.Tensor:
    """The logit differences [batch] with one activation taken from the clean run: the slow, plain way."""
    with torch.inference_mode():
        _, cache = task["model"].run_with_cache(task["clean"], names_filter=lambda n: n == name)

        def swap(act: torch.Tensor, hook: Any) -> torch.Tensor:
            act = act.clone()
            act[index] = cache[name][index]
            return act

        logits = task["model"].run_with_hooks(task["corrupted"], fwd_hooks=[(name, swap)])[:, -1]
    rows = torch.arange(len(logits))
    return logits[rows, task["right"]] - logits[rows, task["wrong"]]


@pytest.mark.model
@needs_model
def test_heads_are_what_hooks_make_of_them(task: dict[str, Any]) -> None:
    sweep = sweep_heads(task["model"], task["clean"], task["corrupted"], layers=[21, 29], progress=False)
    fast = sweep.difference(task["right"], task["wrong"])
    assert fast.shape == (2, 9, 2) and sweep.layers == (21, 29) and sweep.first == 4
    for row, layer, head in [(0, 21, 4), (1, 29, 0)]:
        slow = by_hooks(task, f"blocks.{layer}.attn.hook_z", (slice(None), slice(None), head))
        assert (fast[row, head] - slow).abs().max() < 1e-3
    assert (fast[0, 4] - fast[0, 5]).abs().max() > 1e-4  # the comparison could fail


@pytest.mark.model
@needs_model
def test_positions_are_what_hooks_make_of_them(task: dict[str, Any]) -> None:
    sweep = sweep_positions(task["model"], task["clean"], task["corrupted"], layers=[23, 26], progress=False)
    fast = sweep.difference(task["right"], task["wrong"])
    assert fast.shape == (2, 2, 2)
    slow = by_hooks(task, "blocks.23.hook_resid_pre", (slice(None), 5))
    assert (fast[0, 1] - slow).abs().max() < 1e-3 and (fast[1, 1] - slow).abs().max() > 1
    ends = [sweep.difference(task["right"], task["wrong"], of).mean() for of in ("clean", "corrupted")]
    assert ends[0] > 5 and ends[1] < -5
    assert torch.allclose(sweep.probabilities(0).sum(-1), torch.ones(2, 2), atol=1e-4)
    assert int(sweep.probabilities(0, "clean").argmax()) == int(task["right"][0])


@pytest.mark.model
@needs_model
def test_prompts_that_do_not_fit_are_refused(task: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="same prompts"):
        sweep_heads(task["model"], task["clean"], task["clean"])
    with pytest.raises(ValueError, match="different lengths"):
        sweep_positions(task["model"], task["clean"], task["corrupted"][:, :-1])


def test_the_shipped_sweep_is_complete_fast_and_exact() -> None:
    path = Path(course_utils.__file__).parent / "assets" / "head-patching.json"
    shipped = json.loads(path.read_text(encoding="utf-8"))
    effects = torch.tensor(shipped["effect_nats"])
    assert effects.shape == (30, 9) and shipped["clean_nats"] > 3 > -3 > shipped["corrupted_nats"]
    assert shipped["processor_s"]["slow"] > 4 * shipped["processor_s"]["fast"]
    assert shipped["largest_difference_nats"] < 1e-3
    assert divmod(int(effects.argmax()), 9) == (23, 3)


def test_the_bar_shows_time_and_no_counts_of_inner_steps(capsys: pytest.CaptureFixture[str]) -> None:
    _bar(125, "patching heads", show=True).close()
    told = capsys.readouterr()
    assert "patching heads" in told.out and "left" in told.out and "125" not in told.out and not told.err
    _bar(125, "patching heads", show=False).close()
    assert not capsys.readouterr().out
