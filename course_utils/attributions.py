"""Attributions: one number for every token of a prompt, for whoever asks which words made the model say what it said.

>>> model = load_model("smollm2")
>>> weights = block_weights(model)                       # 210 matrices, the model's own
>>> tokens = model.to_tokens("The capital of France is")
>>> gradient_times_input(model, weights, tokens).shape, word_length(model, weights, tokens)
(torch.Size([6]), tensor([0., 3., 7., 2., 6., 2.]))

Each takes the weights as an argument, so that one can ask what remains of it when they are replaced (Adebayo et al.
2018, "Sanity Checks for Saliency Maps"). The embedding stays as it is.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["SENTENCES", "Weights", "block_weights", "gradient_norm", "gradient_times_input", "word_length"]

Weights = dict[str, Tensor]
"""Weight matrices by name."""

SENTENCES = (
    "The capital of France is",
    "The opposite of hot is",
    "When Lucy and Mary went to the shop, Mary gave a drink to",
    "My sister plays the violin and the",
    "Every winter the old bridge over the river freezes, so the drivers",
    "The committee finally approved the extraordinarily complicated proposal because",
    "He opened the window because the kitchen was full of",
    "In the middle of the night the dog next door began to",
)
"""Beginnings whose next token can be attributed."""


def block_weights(model: Any) -> Weights:
    """The matrices of all blocks of SmolLM2 by name: the tensors of the model itself, not copies."""
    return {
        name: w.data for name, w in _inner(model).named_parameters() if ".layers." in name and w.ndim == 2
    }


def gradient_times_input(model: Any, weights: Weights, tokens: Int[Tensor, "1 pos"]) -> Float[Tensor, " pos"]:
    """Gradient · embedding at each token, for the logit of the token that the model with these weights says next.

    To first order this is what the logit would lose without the token's embedding (Shrikumar et al. 2017).
    """
    gradient, embedded = _gradient(model, weights, tokens)
    return (gradient * embedded).sum(-1)


def gradient_norm(model: Any, weights: Weights, tokens: Int[Tensor, "1 pos"]) -> Float[Tensor, " pos"]:
    """The length of the same gradient at each token: how much the logit can be moved there (Simonyan et al. 2014)."""
    return _gradient(model, weights, tokens)[0].norm(dim=-1)


def word_length(model: Any, weights: Weights, tokens: Int[Tensor, "1 pos"]) -> Float[Tensor, " pos"]:
    """The number of letters of each token (0 for the start token): an edge detector for text. No weight is read."""
    pieces = [model.tokenizer.decode([token]).strip() for token in tokens[0, 1:].tolist()]
    return torch.tensor([0.0, *map(float, map(len, pieces))])


def _gradient(model: Any, weights: Weights, tokens: Tensor) -> tuple[Tensor, Tensor]:
    inner = _inner(model)
    with torch.enable_grad():
        embedded = inner.get_input_embeddings()(tokens).detach().requires_grad_()
        given = {"inputs_embeds": embedded, "use_cache": False, "logits_to_keep": 1}
        # The bridge knows every module by several names. With ties looked for, each would be swapped twice and put back
        # wrongly: the model would keep the other weights.
        logits = torch.func.functional_call(inner, weights, (), given, tie_weights=False).logits[0, -1]
        (gradient,) = torch.autograd.grad(logits.max(), embedded)
    return gradient[0], embedded.detach()[0]


def _inner(model: Any) -> Any:
    """The Hugging Face model inside the bridge."""
    return model.original_model
