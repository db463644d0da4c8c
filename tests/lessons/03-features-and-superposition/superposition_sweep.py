import numpy as np
import torch


def train(density, n_features, d_hidden, importance, steps, batch, seed, spoil=""):
    """Everything right, for the wrong answers to spoil one part of."""
    rng = np.random.default_rng(seed)
    importance = 0.9 ** torch.arange(n_features) if importance is None else importance
    start = torch.tensor(rng.standard_normal((len(density), n_features, d_hidden))).float() / n_features**0.5
    if spoil == "large start":
        start = start * n_features**0.5
    if spoil == "shared start":
        start = start[:1].expand_as(start)
    model = ToyModel(start, torch.zeros(len(density), n_features))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    used = density[:1].expand_as(density) if spoil == "first density" else density
    for step in range(steps // 10 if spoil == "few steps" else steps):
        if spoil != "constant rate":
            optimizer.param_groups[0]["lr"] = 0.03 * (1 - step / steps)
        x = sparse_batch(rng, batch, used, n_features)
        weights = torch.ones(n_features) if spoil == "no importance" else importance
        weights = weights[0] if spoil == "first importance" and weights.ndim == 2 else weights
        loss = weighted_loss(x, model(x), weights).sum()
        if spoil != "no zero_grad":
            optimizer.zero_grad()
        (-loss if spoil == "ascends" else loss).backward()
        if spoil != "no step":
            optimizer.step()
        if spoil == "no bias":
            model.b.data.zero_()
    W, b = model.W.detach(), model.b.detach()
    return {"W": W, "b": b, "represented": (W.norm(dim=-1) > 0.5).sum(-1)}


# %% wrong: never steps -> "downhill"
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    return train(density, n_features, d_hidden, importance, steps, batch, seed, "no step")


# %% wrong: gradients pile up -> "set to zero before"
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    return train(density, n_features, d_hidden, importance, steps, batch, seed, "no zero_grad")


# %% wrong: every instance trains at the first density -> "its own density"
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    return train(density, n_features, d_hidden, importance, steps, batch, seed, "first density")


# %% wrong: ignores importance -> "does importance reach the loss"
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    return train(density, n_features, d_hidden, importance, steps, batch, seed, "no importance")


# %% wrong: every instance has the importance of the first -> "the two most important"
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    return train(density, n_features, d_hidden, importance, steps, batch, seed, "first importance")


# %% wrong: all instances start from the same weights -> "its own random weights"
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    out = train(density, n_features, d_hidden, importance, steps, batch, seed, "shared start")
    out["W"] = out["W"][:1].expand_as(out["W"]).clone()
    out["represented"] = (out["W"].norm(dim=-1) > 0.5).sum(-1)
    return out


# %% wrong: a start that is not divided by the root -> "near their start"
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    return train(density, n_features, d_hidden, importance, steps, batch, seed, "large start")


# %% wrong: goes uphill -> "downhill"
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    return train(density, n_features, d_hidden, importance, steps, batch, seed, "ascends")


# %% wrong: ignores the seed -> "another seed"
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    return train(density, n_features, d_hidden, importance, steps, batch, 0)


# %% wrong: counts squared lengths above 0.5 -> "longer than 0.5"
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    out = train(density, n_features, d_hidden, importance, steps, batch, seed)
    out["represented"] = (out["W"].pow(2).sum(-1) > 0.5).sum(-1)
    return out


# %% wrong: counts over the wrong axis -> "longer than 0.5"
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    out = train(density, n_features, d_hidden, importance, steps, batch, seed)
    out["represented"] = (out["W"].norm(dim=-1) > 0.5).sum(0)
    return out


# %% wrong: the sizes are fixed -> "shape"
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    return train(density, 5, 2, importance, steps, batch, seed)


# %% wrong: stops after a tenth of the steps -> "all steps"
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    return train(density, n_features, d_hidden, importance, steps, batch, seed, "few steps")


# %% wrong: the bias is never trained -> "the bias trained"
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    return train(density, n_features, d_hidden, importance, steps, batch, seed, "no bias")


# %% wrong: returns the weights alone -> "return {"
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    return train(density, n_features, d_hidden, importance, steps, batch, seed)["W"]


# %% right: a scheduler, float64 start
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    rng = np.random.default_rng(seed)
    if importance is None:
        importance = torch.tensor([0.9**i for i in range(n_features)])
    W0 = torch.tensor(rng.standard_normal((len(density), n_features, d_hidden)) / np.sqrt(n_features))
    model = ToyModel(W0.float(), torch.zeros(len(density), n_features))
    adam = torch.optim.Adam(model.parameters(), lr=0.03)
    fall = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1 - step / steps)
    for _ in range(steps):
        x = sparse_batch(rng, batch, density, n_features)
        adam.zero_grad()
        weighted_loss(x, model(x), importance).sum().backward()
        adam.step()
        fall.step()
    W = model.W.detach().clone()
    return {
        "W": W,
        "b": model.b.detach().clone(),
        "represented": torch.tensor([int((w.norm(dim=1) > 0.5).sum()) for w in W]),
    }


# %% right: the mean over instances, which Adam does not mind
def superposition_sweep(density, n_features=5, d_hidden=2, importance=None, steps=1000, batch=256, seed=0):
    rng = np.random.default_rng(seed)
    importance = 0.9 ** torch.arange(n_features) if importance is None else importance
    start = rng.standard_normal((len(density), n_features, d_hidden), dtype=np.float32) / n_features**0.5
    model = ToyModel(torch.from_numpy(start), torch.zeros(len(density), n_features))
    adam = torch.optim.Adam([model.W, model.b])
    for step in range(steps):
        for group in adam.param_groups:
            group["lr"] = 0.03 * (1 - step / steps)
        x = sparse_batch(rng, batch, density, n_features)
        adam.zero_grad()
        weighted_loss(x, model(x), importance).mean().backward()
        adam.step()
    return {
        "W": model.W.data,
        "b": model.b.data,
        "represented": (model.W.data.pow(2).sum(-1) > 0.25).sum(-1),
    }
