import torch


def start(x, d_sae, k, generator):
    rows = torch.randn(d_sae, x.shape[1], generator=generator)
    rows /= rows.norm(dim=1, keepdim=True)
    return SparseAutoencoder(rows.T, torch.zeros(d_sae), rows, x.mean(0), k)


def loop(sae, data, steps, generator, rate=0.01, normalise=True):
    adam = torch.optim.Adam(sae.parameters(), lr=rate)
    for step in range(steps):
        batch = data[torch.randint(len(data), (256,), generator=generator)]
        adam.zero_grad()
        sae_loss(sae, batch)["loss"].backward()
        adam.param_groups[0]["lr"] = rate * min(1.0, 2 * (1 - step / steps))
        adam.step()
        if normalise:
            sae.normalise_decoder()
    return sae


# %% wrong: not trained at all -> "misses"
def train_sae(x, d_sae, k, steps=300, seed=0):
    return start(x, d_sae, k, torch.Generator().manual_seed(seed))


# %% wrong: activations are not scaled -> "scaled before training"
def train_sae(x, d_sae, k, steps=300, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return loop(start(x, d_sae, k, generator), x, steps, generator)


# %% wrong: the biases are not scaled back -> "scaled back"
def train_sae(x, d_sae, k, steps=300, seed=0):
    generator = torch.Generator().manual_seed(seed)
    data = x / x.square().mean().sqrt()
    return loop(start(data, d_sae, k, generator), data, steps, generator)


# %% wrong: the decoder is never normalised -> "length 1"
def train_sae(x, d_sae, k, steps=300, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scale = x.square().mean().sqrt()
    sae = loop(start(x / scale, d_sae, k, generator), x / scale, steps, generator, normalise=False)
    return SparseAutoencoder(
        sae.W_enc.data, sae.b_enc.data * scale, sae.W_dec.data, sae.b_dec.data * scale, k
    )


# %% wrong: draws from the global generator -> "the same seed"
def train_sae(x, d_sae, k, steps=300, seed=0):
    scale = x.square().mean().sqrt()
    sae = loop(start(x / scale, d_sae, k, None), x / scale, steps, None)
    return SparseAutoencoder(
        sae.W_enc.data, sae.b_enc.data * scale, sae.W_dec.data, sae.b_dec.data * scale, k
    )


# %% wrong: the seed is ignored -> "is `seed` used"
def train_sae(x, d_sae, k, steps=300, seed=0):
    generator = torch.Generator().manual_seed(0)
    scale = x.square().mean().sqrt()
    sae = loop(start(x / scale, d_sae, k, generator), x / scale, steps, generator)
    return SparseAutoencoder(
        sae.W_enc.data, sae.b_enc.data * scale, sae.W_dec.data, sae.b_dec.data * scale, k
    )


# %% wrong: all latents may be active -> "more than k"
def train_sae(x, d_sae, k, steps=300, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scale = x.square().mean().sqrt()
    sae = loop(start(x / scale, d_sae, d_sae, generator), x / scale, steps, generator)
    return SparseAutoencoder(
        sae.W_enc.data, sae.b_enc.data * scale, sae.W_dec.data, sae.b_dec.data * scale, d_sae
    )


# %% wrong: always as many latents as in the example -> "d_sae = 24"
def train_sae(x, d_sae, k, steps=300, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scale = x.square().mean().sqrt()
    sae = loop(start(x / scale, 32, k, generator), x / scale, steps, generator)
    return SparseAutoencoder(
        sae.W_enc.data, sae.b_enc.data * scale, sae.W_dec.data, sae.b_dec.data * scale, k
    )


# %% wrong: principal components instead of training -> "the true features should be among"
def train_sae(x, d_sae, k, steps=300, seed=0):
    rows = torch.linalg.svd(x - x.mean(0), full_matrices=False).Vh
    rows = torch.cat([rows, -rows])[:d_sae]
    return SparseAutoencoder(rows.T, torch.zeros(len(rows)), rows, x.mean(0), k)


# %% wrong: a learning rate that is too small for 300 steps -> "the true features should be among"
def train_sae(x, d_sae, k, steps=300, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scale = x.square().mean().sqrt()
    sae = loop(start(x / scale, d_sae, k, generator), x / scale, steps, generator, rate=0.001)
    return SparseAutoencoder(
        sae.W_enc.data, sae.b_enc.data * scale, sae.W_dec.data, sae.b_dec.data * scale, k
    )


# %% right: backward, without the auxiliary loss
def train_sae(x, d_sae, k, steps=300, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scale = x.square().mean().sqrt()
    sae = loop(start(x / scale, d_sae, k, generator), x / scale, steps, generator)
    return SparseAutoencoder(
        sae.W_enc.data, sae.b_enc.data * scale, sae.W_dec.data, sae.b_dec.data * scale, k
    )


# %% right: whole epochs, a larger batch, gradients written by hand
def train_sae(x, d_sae, k, steps=300, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scale = float((x**2).mean() ** 0.5)
    data = x / scale
    sae = start(data, d_sae, k, generator)
    adam = torch.optim.Adam(sae.parameters(), lr=0.015)
    quiet = torch.zeros(d_sae)
    for step in range(steps):
        batch = data[torch.randperm(len(data), generator=generator)[:300]]
        for name, value in sae_gradients(sae, batch, dead=quiet > 15, aux=0.1).items():
            getattr(sae, name).grad = value
        for group in adam.param_groups:
            group["lr"] = 0.015 * (1 - step / steps)
        adam.step()
        sae.normalise_decoder()
        with torch.no_grad():
            quiet = (quiet + 1) * ~(sae.encode(batch) > 0).any(0)
    return SparseAutoencoder(
        sae.W_enc.detach(), sae.b_enc.detach() * scale, sae.W_dec.detach(), sae.b_dec.detach() * scale, k
    )
