import numpy as np
import torch


# %% wrong: draws with replacement -> "all differ"
def repeated_batch(rng, vocab, n, batch=8, start=0):
    if n > vocab - 1:
        raise ValueError("too long")
    half = rng.integers(0, vocab - 1, (batch, n))
    half = torch.tensor(half + (half >= start))
    return torch.cat([torch.full((batch, 1), start), half, half], 1)


# %% wrong: the start token may be drawn again -> "position 0 only"
def repeated_batch(rng, vocab, n, batch=8, start=0):
    if n > vocab - 1:
        raise ValueError("too long")
    half = torch.tensor(np.stack([rng.permutation(vocab)[:n] for _ in range(batch)]))
    return torch.cat([torch.full((batch, 1), start), half, half], 1)


# %% wrong: assumes that the start token is 0 -> "whichever it is"
def repeated_batch(rng, vocab, n, batch=8, start=0):
    if n > vocab - 1:
        raise ValueError("too long")
    half = torch.tensor(np.stack([1 + rng.permutation(vocab - 1)[:n] for _ in range(batch)]))
    return torch.cat([torch.zeros((batch, 1), dtype=torch.long), half, half], 1)


# %% wrong: the second half is mirrored -> "token for token"
def repeated_batch(rng, vocab, n, batch=8, start=0):
    others = np.delete(np.arange(vocab), start)
    half = torch.tensor(np.stack([rng.permutation(others)[:n] for _ in range(batch)]))
    return torch.cat([torch.full((batch, 1), start), half, half.flip(1)], 1)


# %% wrong: the second half starts with the start token again -> "shape"
def repeated_batch(rng, vocab, n, batch=8, start=0):
    others = np.delete(np.arange(vocab), start)
    half = torch.tensor(np.stack([rng.permutation(others)[:n] for _ in range(batch)]))
    first = torch.full((batch, 1), start)
    return torch.cat([first, half, first, half], 1)


# %% wrong: the same tokens in every sequence -> "its own tokens"
def repeated_batch(rng, vocab, n, batch=8, start=0):
    if n > vocab - 1:
        raise ValueError("too long")
    half = torch.tensor(rng.permutation(np.delete(np.arange(vocab), start))[:n]).repeat(batch, 1)
    return torch.cat([torch.full((batch, 1), start), half, half], 1)


# %% wrong: draws from torch instead of rng -> "draw from `rng`"
def repeated_batch(rng, vocab, n, batch=8, start=0):
    if n > vocab - 1:
        raise ValueError("too long")
    others = torch.tensor(np.delete(np.arange(vocab), start))
    half = torch.stack([others[torch.randperm(vocab - 1)[:n]] for _ in range(batch)])
    return torch.cat([torch.full((batch, 1), start), half, half], 1)


# %% wrong: a fixed seed of its own -> "another rng"
def repeated_batch(rng, vocab, n, batch=8, start=0):
    if n > vocab - 1:
        raise ValueError("too long")
    rng = np.random.default_rng(0)
    half = torch.tensor(
        np.stack([rng.permutation(np.delete(np.arange(vocab), start))[:n] for _ in range(batch)])
    )
    return torch.cat([torch.full((batch, 1), start), half, half], 1)


# %% wrong: floats -> "int64"
def repeated_batch(rng, vocab, n, batch=8, start=0):
    others = np.delete(np.arange(vocab), start).astype("float32")
    half = torch.tensor(np.stack([rng.permutation(others)[:n] for _ in range(batch)]))
    return torch.cat([torch.full((batch, 1), float(start)), half, half], 1)


# %% wrong: never draws the last id -> "never drawn"
def repeated_batch(rng, vocab, n, batch=8, start=0):
    if n > vocab - 1:
        raise ValueError("too long")
    others = np.delete(np.arange(vocab - 1), start)
    others = others if n <= len(others) else np.append(others, others[0])
    half = torch.tensor(np.stack([rng.permutation(others)[:n] for _ in range(batch)]))
    return torch.cat([torch.full((batch, 1), start), half, half], 1)


# %% wrong: shortens n without a word instead of complaining -> "expected ValueError"
def repeated_batch(rng, vocab, n, batch=8, start=0):
    others = np.delete(np.arange(vocab), start)
    half = torch.tensor(np.stack([rng.permutation(others)[:n] for _ in range(batch)]))
    return torch.cat([torch.full((batch, 1), start), half, half], 1)


# %% right: choice without replacement, shifted past the start token
def repeated_batch(rng, vocab, n, batch=8, start=0):
    half = np.stack([rng.choice(vocab - 1, size=n, replace=False) for _ in range(batch)])
    half = half + (half >= start)
    return torch.from_numpy(np.concatenate([np.full((batch, 1), start), half, half], axis=1))


# %% right: sorts random numbers
def repeated_batch(rng, vocab, n, batch=8, start=0):
    ids = [i for i in range(vocab) if i != start]
    if n > len(ids):
        raise ValueError(f"n must be at most {len(ids)}")
    order = np.argsort(rng.random((batch, len(ids))), axis=1)[:, :n]
    half = torch.as_tensor(np.array(ids)[order], dtype=torch.int64)
    return torch.hstack([torch.full((batch, 1), start), half, half])
