"""Trains TopK sparse autoencoders on a processor: one dense product per step, everything else sparse.

>>> weights, history = train(resid, TrainConfig(d_sae=4608, steps=600))   # resid: [token d_model], float16 is fine
>>> sae = to_saelens(weights, hook_name="blocks.15.hook_resid_pre")       # SAELens's own TopKSAE, reads raw residuals

The pre-activations of all latents are needed to find the k largest: that product is dense. But only k latents of a
token have a gradient, so decoding and both weight gradients are sums over k rows, which `embedding_bag` does without
ever making a `[token latent]` matrix. TopK with an auxiliary loss for dead latents: Gao et al. 2024.
"""

import math
import sys
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag
from tqdm import tqdm

__all__ = ["TrainConfig", "Weights", "scale_of", "to_saelens", "train"]


@dataclass(frozen=True)
class TrainConfig:
    """How one autoencoder is trained."""

    d_sae: int = 4608
    """Latents."""
    k: int = 32
    """Latents that may be active on a token."""
    steps: int = 300
    batch: int = 1024
    """Tokens in a step."""
    learning_rate: float = 2e-3
    """Falls linearly to zero over the last fifth of the steps; rises over the first `warm_up`."""
    warm_up: int = 20
    dead_after: int = 100_000
    """A latent that has not fired in so many tokens is dead: the auxiliary loss lets it learn from the error."""
    k_aux: int = 64
    """Dead latents that may be active on a token in the auxiliary loss."""
    aux_weight: float = 1 / 32
    """Gao et al.'s coefficient of the auxiliary loss."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.k <= self.d_sae:
            raise ValueError(f"k must lie between 1 and d_sae = {self.d_sae}; it is {self.k}.")


@dataclass
class Weights:
    """The encoder and decoder, for activations divided by `scale`."""

    enc: Float[Tensor, "latent d_model"]
    b_enc: Float[Tensor, " latent"]
    dec: Float[Tensor, "latent d_model"]
    """Rows of length one."""
    b_dec: Float[Tensor, " d_model"]
    scale: float
    k: int


def scale_of(resid: Float[Tensor, "token d_model"]) -> float:
    """What activations are divided by, so that their mean squared length is the number of dimensions."""
    sample = resid[:: max(1, len(resid) // 20_000)].float()
    return float(sample.square().mean().sqrt())


def train(
    resid: Float[Tensor, "token d_model"],
    config: TrainConfig,
    rows: Int[Tensor, " token"] | None = None,
    stop_at: int | None = None,
) -> tuple[Weights, list[dict[str, float]]]:
    """The trained weights, and the loss before each of a number of steps: `{"step", "fvu", "dead"}`.

    `rows` picks the tokens to train on; `stop_at` ends the same run early. The same seed gives the same run on the same
    machine, whatever the state of the global generator. `fvu` is the share of the batch's variance that is not
    explained.
    """
    generator = torch.Generator().manual_seed(config.seed)
    rows = torch.arange(len(resid)) if rows is None else rows
    scale = scale_of(resid[rows])
    weights = _initial(resid, rows, config, scale, generator)
    parameters = [weights.enc, weights.b_enc, weights.dec, weights.b_dec]
    adam = torch.optim.Adam(parameters, lr=config.learning_rate, fused=True)
    silent = torch.zeros(config.d_sae)  # tokens since each latent fired
    history, order, at = [], rows[torch.randperm(len(rows), generator=generator)], 0
    for step in tqdm(
        range(stop_at or config.steps), desc=f"{config.d_sae} latents", disable=not sys.stderr.isatty()
    ):
        if at + config.batch > len(order):
            order, at = rows[torch.randperm(len(rows), generator=generator)], 0
        x = resid[order[at : at + config.batch]].float() / scale
        at += config.batch
        for group in adam.param_groups:
            group["lr"] = config.learning_rate * _schedule(step, config)
        fvu = _gradients(x, weights, silent, config)
        _only_across(weights.dec)
        adam.step()
        weights.dec /= weights.dec.norm(dim=1, keepdim=True)
        if step % max(1, config.steps // 100) == 0 or step < 20 or step == config.steps - 1:
            dead = int((silent > config.dead_after).sum())
            history.append({"step": step, "fvu": round(fvu, 5), "dead": dead})
    return weights, history


def _initial(
    resid: Tensor, rows: Tensor, config: TrainConfig, scale: float, generator: torch.Generator
) -> Weights:
    """Random unit directions, the encoder their transpose, and the mean as the decoder's bias."""
    dec = torch.randn(config.d_sae, resid.shape[1], generator=generator)
    dec /= dec.norm(dim=1, keepdim=True)
    mean = resid[rows[:: max(1, len(rows) // 20_000)]].float().mean(0) / scale
    return Weights(dec.clone(), torch.zeros(config.d_sae), dec, mean, scale, config.k)


def _schedule(step: int, config: TrainConfig) -> float:
    left = (config.steps - step) / (0.2 * config.steps)
    return min(1.0, (step + 1) / config.warm_up, left)


def _gradients(x: Tensor, weights: Weights, silent: Tensor, config: TrainConfig) -> float:
    """Fills `.grad` of the four weights, updates `silent`, and returns the batch's unexplained variance.

    The loss is squared error over total variance, plus `aux_weight` times the same for the error, as the dead see it.
    """
    centred = x - weights.b_dec
    pre = torch.addmm(weights.b_enc, centred, weights.enc.T)  # the dense product
    value, latent = pre.topk(config.k, dim=1)
    value = value.relu_()
    error = embedding_bag(latent, weights.dec, per_sample_weights=value, mode="sum") - centred
    variance = float((x - x.mean(0)).square().sum())
    upstream = error * (2 / variance)
    d_enc, d_b_enc, d_dec = _sparse_backward(upstream, centred, latent, value, weights.dec)
    d_b_dec = upstream.sum(0)

    silent += len(x)
    silent[latent[value > 0]] = 0
    dead = (silent > config.dead_after).nonzero()[:, 0]
    if len(dead):
        value, chosen = pre[:, dead].topk(min(config.k_aux, len(dead)), dim=1)
        value, chosen = value.relu_(), dead[chosen]
        rest = embedding_bag(chosen, weights.dec, per_sample_weights=value, mode="sum") + error
        spread = float(error.square().sum())
        extra = _sparse_backward(rest * (2 * config.aux_weight / spread), centred, chosen, value, weights.dec)
        d_enc, d_b_enc, d_dec = d_enc + extra[0], d_b_enc + extra[1], d_dec + extra[2]
    d_b_dec -= d_b_enc @ weights.enc  # the bias is taken off before encoding
    weights.enc.grad, weights.b_enc.grad, weights.dec.grad, weights.b_dec.grad = (
        d_enc,
        d_b_enc,
        d_dec,
        d_b_dec,
    )
    return float(error.square().sum()) / variance


def _sparse_backward(
    upstream: Float[Tensor, "token d_model"],
    centred: Float[Tensor, "token d_model"],
    latent: Int[Tensor, "token k"],
    value: Float[Tensor, "token k"],
    dec: Float[Tensor, "latent d_model"],
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of encoder, its bias and decoder, from the gradient of the reconstruction."""
    k, d_sae = latent.shape[1], len(dec)
    d_value = torch.bmm(dec[latent], upstream[:, :, None])[:, :, 0] * (value > 0)
    flat, by_latent = latent.flatten().sort()
    token = by_latent // k  # one bag per latent: the tokens on which it was active
    starts = torch.searchsorted(flat, torch.arange(d_sae))

    def add_up(what: Tensor, weight: Tensor) -> Tensor:
        return embedding_bag(token, what, starts, per_sample_weights=weight.flatten()[by_latent], mode="sum")

    d_b_enc = torch.zeros(d_sae).index_add_(0, latent.flatten(), d_value.flatten())
    return add_up(centred, d_value), d_b_enc, add_up(upstream, value)


def _only_across(dec: Tensor) -> None:
    """Takes the part of the decoder's gradient away that would only change the rows' length."""
    assert dec.grad is not None
    dec.grad -= (dec.grad * dec).sum(dim=1, keepdim=True) * dec


def to_saelens(weights: Weights, hook_name: str, **metadata: Any) -> Any:
    """SAELens's `TopKSAE` with these weights, for activations as they are in the model.

    Dividing the input by `scale` and multiplying the output by it is the same as multiplying both biases by it, since
    TopK and ReLU let positive factors through. Latents are then in the units of the residual stream.
    """
    from sae_lens import TopKSAE, TopKSAEConfig
    from sae_lens.saes.sae import SAEMetadata

    d_sae, d_in = weights.dec.shape
    about = SAEMetadata(model_name="HuggingFaceTB/SmolLM2-135M-Instruct", hook_name=hook_name, **metadata)
    sae = TopKSAE(TopKSAEConfig(d_in=d_in, d_sae=d_sae, k=weights.k, metadata=about))
    state = {"W_enc": weights.enc.T.contiguous(), "b_enc": weights.b_enc * weights.scale}
    state |= {"W_dec": weights.dec, "b_dec": weights.b_dec * weights.scale}
    sae.load_state_dict(state)
    assert math.isclose(float(weights.dec.norm(dim=1).mean()), 1.0, abs_tol=1e-3)
    return sae.eval().requires_grad_(False)
