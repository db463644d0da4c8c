import torch
from einops import einsum
from torch.nn import functional as F


# %% wrong: forgets the causal mask -> "future"
def attention_pattern(q, k):
    scores = einsum(q, k, "b q h d, b k h d -> b h q k")
    return (scores / q.shape[-1] ** 0.5).softmax(dim=-1)


# %% wrong: masks after the softmax -> "sum to 1"
def attention_pattern(q, k):
    scores = einsum(q, k, "b q h d, b k h d -> b h q k") / q.shape[-1] ** 0.5
    return scores.softmax(dim=-1).tril()


# %% wrong: softmax over the query axis -> "sum to 1"
def attention_pattern(q, k):
    scores = einsum(q, k, "b q h d, b k h d -> b h q k") / q.shape[-1] ** 0.5
    future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return scores.masked_fill(future, -1e30).softmax(dim=-2)


# %% wrong: forgets the scale -> "sqrt(d_head)"
def attention_pattern(q, k):
    scores = einsum(q, k, "b q h d, b k h d -> b h q k")
    future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return scores.masked_fill(future, float("-inf")).softmax(dim=-1)


# %% wrong: divides by d_head instead of its root -> "sqrt(d_head)"
def attention_pattern(q, k):
    scores = einsum(q, k, "b q h d, b k h d -> b h q k") / q.shape[-1]
    future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return scores.masked_fill(future, float("-inf")).softmax(dim=-1)


# %% wrong: masks the query's own position too -> "nan"
def attention_pattern(q, k):
    scores = einsum(q, k, "b q h d, b k h d -> b h q k") / q.shape[-1] ** 0.5
    future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(0)
    return scores.masked_fill(future, float("-inf")).softmax(dim=-1)


# %% wrong: sums over heads as well -> "query by query"
def attention_pattern(q, k):
    scores = einsum(q, k, "b q h d, b k g d -> b h q k") / q.shape[-1] ** 0.5
    future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return scores.masked_fill(future, float("-inf")).softmax(dim=-1)


# %% wrong: axes in the order of the input -> "shape"
def attention_pattern(q, k):
    scores = einsum(q, k, "b q h d, b k h d -> b q h k") / q.shape[-1] ** 0.5
    return scores.softmax(dim=-1)


# %% wrong: scales the queries in place -> "changed its argument 1"
def attention_pattern(q, k):
    q /= q.shape[-1] ** 0.5
    scores = einsum(q, k, "b q h d, b k h d -> b h q k")
    future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return scores.masked_fill(future, float("-inf")).softmax(dim=-1)


# %% wrong: exponentials by hand, which overflow -> "nan"
def attention_pattern(q, k):
    scores = einsum(q, k, "b q h d, b k h d -> b h q k") / q.shape[-1] ** 0.5
    weights = scores.exp().tril()
    return weights / weights.sum(-1, keepdim=True)


# %% wrong: queries and keys swapped -> "query by query"
def attention_pattern(q, k):
    scores = einsum(k, q, "b q h d, b k h d -> b h q k") / q.shape[-1] ** 0.5
    future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return scores.masked_fill(future, float("-inf")).softmax(dim=-1)


# %% wrong: uniform attention, which has all the right sums -> "q·k"
def attention_pattern(q, k):
    length = q.shape[1]
    pattern = torch.ones(length, length).tril()
    return (pattern / pattern.sum(-1, keepdim=True)).expand(q.shape[0], q.shape[2], -1, -1)


# %% wrong: forgets to return -> "return"
def attention_pattern(q, k):
    scores = einsum(q, k, "b q h d, b k h d -> b h q k") / q.shape[-1] ** 0.5
    scores.softmax(dim=-1)


# %% right: matmul on transposed axes and an additive mask
def attention_pattern(q, k):
    scores = q.permute(0, 2, 1, 3) @ k.permute(0, 2, 3, 1) * q.size(-1) ** -0.5
    mask = torch.full(scores.shape[-2:], float("-inf")).triu(diagonal=1)
    return F.softmax(scores + mask, dim=-1)


# %% right: one row at a time
def attention_pattern(q, k):
    batch, length, heads, d_head = q.shape
    pattern = torch.zeros(batch, heads, length, length)
    for query in range(length):
        scores = torch.einsum("bhd,bkhd->bhk", q[:, query], k[:, : query + 1]) / d_head**0.5
        pattern[:, :, query, : query + 1] = scores.softmax(-1)
    return pattern


# %% right: shifts by the row's maximum and normalises by hand
def attention_pattern(q, k):
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
    allowed = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    scores = torch.where(allowed, scores, torch.tensor(float("-inf")))
    weights = torch.exp(scores - scores.amax(-1, keepdim=True))
    return weights / weights.sum(-1, keepdim=True)
