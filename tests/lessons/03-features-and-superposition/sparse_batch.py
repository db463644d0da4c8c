import numpy as np
import torch


# %% wrong: switches on with probability 1 - density -> "the density of their instance"
def sparse_batch(rng, batch, density, n_features):
    size = (batch, len(density), n_features)
    on = torch.from_numpy(rng.random(size, dtype=np.float32)) > density[:, None]
    return torch.from_numpy(rng.random(size, dtype=np.float32)) * on


# %% wrong: one draw decides both whether and how strong -> "spread evenly over"
def sparse_batch(rng, batch, density, n_features):
    u = torch.from_numpy(rng.random((batch, len(density), n_features), dtype=np.float32))
    return u * (u < density[:, None])


# %% wrong: values are always 1 -> "spread evenly over"
def sparse_batch(rng, batch, density, n_features):
    u = torch.from_numpy(rng.random((batch, len(density), n_features), dtype=np.float32))
    return (u < density[:, None]).float()


# %% wrong: normal values -> "values should lie in [0, 1]"
def sparse_batch(rng, batch, density, n_features):
    size = (batch, len(density), n_features)
    on = torch.from_numpy(rng.random(size)) < density[:, None]
    return (torch.from_numpy(rng.standard_normal(size)).abs() * on).float()


# %% wrong: a whole input is on or off -> "switched on independently"
def sparse_batch(rng, batch, density, n_features):
    size = (batch, len(density), n_features)
    on = torch.from_numpy(rng.random((batch, len(density), 1), dtype=np.float32)) < density[:, None]
    return torch.from_numpy(rng.random(size, dtype=np.float32)) * on


# %% wrong: all instances get the same draws -> "switched on independently"
def sparse_batch(rng, batch, density, n_features):
    on = torch.from_numpy(rng.random((batch, 1, n_features), dtype=np.float32)) < density[:, None]
    return torch.from_numpy(rng.random((batch, len(density), n_features), dtype=np.float32)) * on


# %% wrong: one strength for each input -> "not once for each input"
def sparse_batch(rng, batch, density, n_features):
    on = torch.from_numpy(rng.random((batch, len(density), n_features), dtype=np.float32)) < density[:, None]
    return torch.from_numpy(rng.random((batch, len(density), 1), dtype=np.float32)) * on


# %% wrong: draws from torch -> "draw from `rng`"
def sparse_batch(rng, batch, density, n_features):
    size = (batch, len(density), n_features)
    return torch.rand(size) * (torch.rand(size) < density[:, None])


# %% wrong: a seed of its own -> "do not seed inside"
def sparse_batch(rng, batch, density, n_features):
    rng, size = np.random.default_rng(0), (batch, len(density), n_features)
    on = torch.from_numpy(rng.random(size, dtype=np.float32)) < density[:, None]
    return torch.from_numpy(rng.random(size, dtype=np.float32)) * on


# %% wrong: float64 -> "float32"
def sparse_batch(rng, batch, density, n_features):
    size = (batch, len(density), n_features)
    return torch.from_numpy(rng.random(size)) * (torch.from_numpy(rng.random(size)) < density[:, None])


# %% wrong: instance and batch swapped -> "shape"
def sparse_batch(rng, batch, density, n_features):
    size = (len(density), batch, n_features)
    on = torch.from_numpy(rng.random(size, dtype=np.float32)) < density[:, None, None]
    return torch.from_numpy(rng.random(size, dtype=np.float32)) * on


# %% wrong: exactly the expected number of features on -> "switched on independently"
def sparse_batch(rng, batch, density, n_features):
    u = rng.random((batch, len(density), n_features))
    rank = u.argsort(-1).argsort(-1)
    want = density.numpy()[:, None] * n_features
    many = np.floor(want) + (rng.random((batch, len(density), 1)) < want - np.floor(want))
    return torch.tensor(rng.random(u.shape) * (rank < many), dtype=torch.float32)


# %% right: values first, then switched off where a second draw is large
def sparse_batch(rng, batch, density, n_features):
    x = torch.tensor(rng.uniform(0, 1, size=(batch, len(density), n_features)), dtype=torch.float32)
    off = torch.tensor(rng.uniform(size=tuple(x.shape))) >= density[None, :, None]
    return x.masked_fill(off, 0.0)


# %% right: instance by instance, with a binomial draw
def sparse_batch(rng, batch, density, n_features):
    columns = [
        rng.binomial(1, min(1.0, float(p)), (batch, n_features)) * rng.random((batch, n_features))
        for p in density
    ]
    return torch.tensor(np.stack(columns, axis=1), dtype=torch.float32)
