"""The small transformer of the course, on one page, with the hook names of the TransformerLens bridge.

What differs from SmolLM2, so that the mathematics of a circuit is exact and not approximate:
no normalisation, no biases, and learned absolute positions that are added to the embedding.
So the logits of an attention-only model are a plain sum of products of weights and attention patterns
(Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits").
Weights are right-multiplied, (input, output): `x @ W`.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from einops import einsum
from jaxtyping import Float, Int
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn
from transformer_lens import ActivationCache
from transformer_lens.hook_points import HookPoint
from transformer_lens.HookedRootModule import HookedRootModule

from course_utils.errors import ModelError

__all__ = ["TinyConfig", "TinyTransformer", "load_history", "load_tiny", "save_tiny", "tiny_names"]

_ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class TinyConfig:
    """The sizes of a `TinyTransformer`: `TinyConfig(n_layers=2, n_heads=4, d_model=64, d_head=16, ...)`.

    Raises `ValueError` when a size is not a positive whole number.
    """

    n_layers: int
    """Number of blocks."""
    n_heads: int
    """Attention heads in every block; each has its own keys and values."""
    d_model: int
    """Width of the residual stream."""
    d_head: int
    """Width of one head's queries, keys and values; `n_heads * d_head` need not equal `d_model`."""
    d_vocab: int
    """Number of tokens; token ids are 0 to d_vocab - 1."""
    n_ctx: int
    """Longest input, in tokens: there is one learned position vector for each."""
    d_mlp: int | None = None
    """Hidden units of the MLP in every block; None means attention only."""
    seed: int = 0
    """Seed of the random starting weights; after training or setting by hand it has no meaning."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "d_mlp" and value is None:
                continue
            smallest = 0 if field.name == "seed" else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
                raise ValueError(
                    f"TinyConfig: {field.name} must be a whole number of at least {smallest}, got {value!r}. "
                    "Sizes are counts: pass an int, not a float or a string."
                )

    @property
    def n_key_value_heads(self) -> int:
        """Number of key/value heads: here always `n_heads` (SmolLM2 shares one between three query heads)."""
        return self.n_heads

    @property
    def attn_only(self) -> bool:
        """True when there is no MLP."""
        return self.d_mlp is None

    @property
    def device(self) -> str:
        """Where the weights are: the small models stay on the processor, and `ActivationCache` asks."""
        return "cpu"


class Attention(nn.Module):
    """Causal self-attention: softmax(q kᵀ / √d_head) v, each head written back through its own `W_O`."""

    def __init__(self, cfg: TinyConfig) -> None:
        super().__init__()
        into_head = (cfg.n_heads, cfg.d_model, cfg.d_head)
        self.W_Q, self.W_K, self.W_V = (nn.Parameter(torch.empty(into_head)) for _ in range(3))
        self.W_O = nn.Parameter(torch.empty(cfg.n_heads, cfg.d_head, cfg.d_model))
        self.hook_q, self.hook_k, self.hook_v = HookPoint(), HookPoint(), HookPoint()
        self.hook_attn_scores, self.hook_pattern = HookPoint(), HookPoint()
        self.hook_z, self.hook_result = HookPoint(), HookPoint()

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        into_head = "batch pos d_model, head d_model d_head -> batch pos head d_head"
        q = self.hook_q(einsum(resid, self.W_Q, into_head))
        k = self.hook_k(einsum(resid, self.W_K, into_head))
        v = self.hook_v(einsum(resid, self.W_V, into_head))
        scores = einsum(q, k, "batch query head d_head, batch key head d_head -> batch head query key")
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        # The most negative finite number, as in the bridge: a row of minus infinities would become nan.
        scores = (scores / self.W_Q.shape[-1] ** 0.5).masked_fill(future, torch.finfo(scores.dtype).min)
        pattern = self.hook_pattern(self.hook_attn_scores(scores).softmax(dim=-1))
        z = einsum(pattern, v, "batch head query key, batch key head d_head -> batch query head d_head")
        out_of_head = "batch pos head d_head, head d_head d_model -> batch pos head d_model"
        result = einsum(self.hook_z(z), self.W_O, out_of_head)
        return self.hook_result(result).sum(dim=2)


class MLP(nn.Module):
    """Two linear maps with a ReLU between."""

    def __init__(self, cfg: TinyConfig) -> None:
        super().__init__()
        assert cfg.d_mlp is not None
        self.W_in = nn.Parameter(torch.empty(cfg.d_model, cfg.d_mlp))
        self.W_out = nn.Parameter(torch.empty(cfg.d_mlp, cfg.d_model))
        self.hook_pre, self.hook_post = HookPoint(), HookPoint()

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        return self.hook_post(self.hook_pre(resid @ self.W_in).relu()) @ self.W_out


class Block(nn.Module):
    """Attention, then the MLP if there is one, each added to the residual stream.

    As in TransformerLens, `hook_resid_mid` and `hook_mlp_out` exist only where there is an MLP.
    """

    def __init__(self, cfg: TinyConfig) -> None:
        super().__init__()
        self.attn = Attention(cfg)
        self.hook_resid_pre, self.hook_attn_out, self.hook_resid_post = HookPoint(), HookPoint(), HookPoint()
        self.mlp = None if cfg.attn_only else MLP(cfg)
        if self.mlp is not None:
            self.hook_resid_mid, self.hook_mlp_out = HookPoint(), HookPoint()

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        resid = self.hook_resid_pre(resid)
        resid = resid + self.hook_attn_out(self.attn(resid))
        if self.mlp is not None:
            resid = self.hook_resid_mid(resid)
            resid = resid + self.hook_mlp_out(self.mlp(resid))
        return self.hook_resid_post(resid)


class TinyTransformer(HookedRootModule):
    """A small decoder that returns logits [batch pos d_vocab] for tokens [batch pos].

    >>> model = TinyTransformer(TinyConfig(2, n_heads=4, d_model=64, d_head=16, d_vocab=50, n_ctx=32))
    >>> logits, cache = model.run_with_cache(torch.randint(50, (8, 20)))
    >>> cache["blocks.1.attn.hook_pattern"].shape  # batch head query key
    torch.Size([8, 4, 20, 20])

    `run_with_cache`, `run_with_hooks` and `hooks` work as on the bridge. Raises `TypeError` for tokens
    that are not a tensor of whole numbers, `ValueError` for a wrong shape, length or token id.
    """

    def __init__(self, cfg: TinyConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.W_E = nn.Parameter(torch.empty(cfg.d_vocab, cfg.d_model))
        self.W_pos = nn.Parameter(torch.empty(cfg.n_ctx, cfg.d_model))
        self.hook_embed, self.hook_pos_embed = HookPoint(), HookPoint()
        self.blocks = nn.ModuleList(Block(cfg) for _ in range(cfg.n_layers))
        self.W_U = nn.Parameter(torch.empty(cfg.d_model, cfg.d_vocab))
        generator = torch.Generator().manual_seed(cfg.seed)
        for weight in self.parameters():
            # Variance 1 / (rows) keeps activations near size 1, as there is no normalisation to do it.
            nn.init.normal_(weight, std=weight.shape[-2] ** -0.5, generator=generator)
        self.setup()  # gives every HookPoint its name

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_vocab"]:
        _check_tokens(tokens, self.cfg)
        embed = self.hook_embed(self.W_E[tokens])
        resid = embed + self.hook_pos_embed(self.W_pos[: tokens.shape[1]].repeat(len(tokens), 1, 1))
        for block in self.blocks:
            resid = block(resid)
        return resid @ self.W_U

    def run_with_cache(self, *args, **kwargs) -> tuple[Tensor, ActivationCache]:
        """The logits and an `ActivationCache` of every hook point, as the bridge returns them.

        `cache["resid_post", 0]` and `cache["blocks.0.hook_resid_post"]` are the same tensor. Options such as
        `names_filter` are those of TransformerLens.
        """
        output, cache = super().run_with_cache(*args, **kwargs)
        return output, ActivationCache(cache, self, has_batch_dim=not kwargs.get("remove_batch_dim", False))

    def _stack(self, part: str, name: str) -> Tensor:
        return torch.stack([getattr(getattr(block, part), name) for block in self.blocks])

    @property
    def W_Q(self) -> Float[Tensor, "layer head d_model d_head"]:
        return self._stack("attn", "W_Q")

    @property
    def W_K(self) -> Float[Tensor, "layer head d_model d_head"]:
        return self._stack("attn", "W_K")

    @property
    def W_V(self) -> Float[Tensor, "layer head d_model d_head"]:
        return self._stack("attn", "W_V")

    @property
    def W_O(self) -> Float[Tensor, "layer head d_head d_model"]:
        return self._stack("attn", "W_O")

    @property
    def W_in(self) -> Float[Tensor, "layer d_model d_mlp"]:
        return self._stack("mlp", "W_in")

    @property
    def W_out(self) -> Float[Tensor, "layer d_mlp d_model"]:
        return self._stack("mlp", "W_out")


def _check_tokens(tokens: Tensor, cfg: TinyConfig) -> None:
    if not isinstance(tokens, Tensor) or tokens.dtype not in (torch.int64, torch.int32):
        got = f"dtype {tokens.dtype}" if isinstance(tokens, Tensor) else type(tokens).__name__
        raise TypeError(
            f"The model takes token ids as a tensor of int64, got {got}. "
            "The small models have no tokenizer: pass torch.tensor([[0, 5, 7]]), not text, lists or logits."
        )
    if tokens.ndim != 2 or tokens.shape[1] == 0:
        raise ValueError(
            f"The model takes tokens of shape [batch pos], got {tuple(tokens.shape)}. "
            "For one sequence, add the batch axis: tokens[None]."
        )
    if tokens.shape[1] > cfg.n_ctx:
        raise ValueError(
            f"The input has {tokens.shape[1]} tokens but this model has n_ctx = {cfg.n_ctx} position "
            "vectors. Pass a shorter sequence; the axes are [batch pos], so check that they are not swapped."
        )
    if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < cfg.d_vocab:
        raise ValueError(
            f"Token ids must be between 0 and d_vocab - 1 = {cfg.d_vocab - 1}, got ids from "
            f"{int(tokens.min())} to {int(tokens.max())}. They may come from another model's vocabulary."
        )


def tiny_names() -> list[str]:
    """The names of the trained small models that `load_tiny` can load, sorted: `['induction-1l', ...]`."""
    return sorted(path.stem for path in _ASSETS.glob("*.safetensors"))


def load_tiny(name: str) -> TinyTransformer:
    """A trained small model from the course's assets, in evaluation mode and with its weights frozen.

    >>> load_tiny("induction-2l").cfg.n_layers
    2

    The card beside the weights, `assets/<name>.md`, says what it was trained on. Raises `ModelError` for a
    name that is not among `tiny_names()`.
    """
    if name not in tiny_names():
        raise ModelError(
            f"There is no small model called {name!r}. Available: {', '.join(tiny_names()) or 'none'}. "
            "Check the spelling; `make assets` rebuilds a file that is missing."
        )
    with safe_open(_ASSETS / f"{name}.safetensors", framework="pt") as file:
        model = TinyTransformer(TinyConfig(**json.loads(file.metadata()["config"])))
        model.load_state_dict({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118 (not a dict)
    return model.eval().requires_grad_(False)


def load_history(name: str) -> list[dict]:
    """What was measured while a small model was trained, one dictionary for each measured step.

    >>> load_history("induction-2l")[0]["step"]
    0

    Keys: `step`; `loss_first_half`, `loss_second_half` (nats); `previous_token`, `induction` (score of
    every head, [layer][head]). Raises `ModelError` for a model without a saved history.
    """
    histories = json.loads((_ASSETS / "induction-history.json").read_text(encoding="utf-8"))
    if name not in histories:
        raise ModelError(f"There is no training history of {name!r}. Available: {', '.join(histories)}.")
    return histories[name]


def save_tiny(model: TinyTransformer, path: Path | str, metadata: dict[str, str] | None = None) -> None:
    """Nothing comes back: weights, configuration and `metadata` (text to text) are written to `path`.

    >>> save_tiny(model, "/tmp/mine.safetensors")

    Without `metadata` the same weights make the same bytes: safetensors orders several entries at random.
    """
    header = {**(metadata or {}), "config": json.dumps(dataclasses.asdict(model.cfg))}
    weights = {key: value.contiguous() for key, value in model.state_dict().items()}
    # Not `save_file`: that makes a file which only its owner can read.
    Path(path).write_bytes(save(weights, metadata=header))
