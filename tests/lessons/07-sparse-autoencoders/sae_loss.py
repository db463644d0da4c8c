import torch


def build_sae(*weights, k):
    return SparseAutoencoder(*weights, k)


def parts(sae, x, dead=None, hold=True):
    latents = sae.encode(x)
    error = x - sae.decode(latents)
    out = {
        "mse": error.square().sum(-1).mean(),
        "l1": (latents * sae.W_dec.norm(dim=1)).sum(-1).mean(),
        "aux": torch.zeros(()),
    }
    if dead is not None and dead.any():
        pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc
        revived = topk(pre.masked_fill(~dead, float("-inf")), min(sae.k, int(dead.sum())))
        target = error.detach() if hold else error
        out["aux"] = (target - revived @ sae.W_dec).square().sum(-1).mean()
    return out


def right_loss(sae, x, l1=0.0, dead=None, aux=0.0):
    out = parts(sae, x, dead)
    return out | {"loss": out["mse"] + l1 * out["l1"] + aux * out["aux"]}


def across(gradient, rows):
    return gradient - (gradient * rows).sum(1, keepdim=True) / rows.square().sum(1, keepdim=True) * rows


def right_gradients(sae, x, l1=0.0, dead=None, aux=0.0):
    names = ["W_enc", "b_enc", "W_dec", "b_dec"]
    found = torch.autograd.grad(
        sae_loss(sae, x, l1, dead, aux)["loss"], [getattr(sae, name) for name in names]
    )
    out = dict(zip(names, found))
    out["W_dec"] = across(out["W_dec"], sae.W_dec.detach())
    return out


# %% wrong: mean over d_model as well -> "sum over d_model"
def sae_loss(sae, x, l1=0.0, dead=None, aux=0.0):
    out = parts(sae, x, dead)
    out["mse"] = out["mse"] / x.shape[-1]
    return out | {"loss": out["mse"] + l1 * out["l1"] + aux * out["aux"]}


sae_gradients = right_gradients


# %% wrong: l1 without the decoder's lengths -> "lengths of their decoder rows"
def sae_loss(sae, x, l1=0.0, dead=None, aux=0.0):
    out = parts(sae, x, dead)
    out["l1"] = sae.encode(x).sum(-1).mean()
    return out | {"loss": out["mse"] + l1 * out["l1"] + aux * out["aux"]}


sae_gradients = right_gradients


# %% wrong: the weights of the terms are ignored -> "mse + 0.5 times l1"
def sae_loss(sae, x, l1=0.0, dead=None, aux=0.0):
    out = parts(sae, x, dead)
    return out | {"loss": out["mse"] + out["l1"] + out["aux"]}


sae_gradients = right_gradients


# %% wrong: the dead reconstruct the activation instead of the error -> "reconstruct the error"
def sae_loss(sae, x, l1=0.0, dead=None, aux=0.0):
    out = parts(sae, x, dead)
    if dead is not None and dead.any():
        pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc
        revived = topk(pre.masked_fill(~dead, float("-inf")), min(sae.k, int(dead.sum())))
        out["aux"] = (x - revived @ sae.W_dec).square().sum(-1).mean()
    return out | {"loss": out["mse"] + l1 * out["l1"] + aux * out["aux"]}


sae_gradients = right_gradients


# %% wrong: the bias is decoded a second time -> "without b_dec"
def sae_loss(sae, x, l1=0.0, dead=None, aux=0.0):
    out = parts(sae, x, dead)
    if dead is not None and dead.any():
        pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc
        revived = topk(pre.masked_fill(~dead, float("-inf")), min(sae.k, int(dead.sum())))
        out["aux"] = ((x - sae(x)).detach() - sae.decode(revived)).square().sum(-1).mean()
    return out | {"loss": out["mse"] + l1 * out["l1"] + aux * out["aux"]}


sae_gradients = right_gradients


# %% wrong: the living compete with the dead -> "k largest dead latents"
def sae_loss(sae, x, l1=0.0, dead=None, aux=0.0):
    out = parts(sae, x, dead)
    if dead is not None and dead.any():
        error = (x - sae(x)).detach()
        out["aux"] = (error - (sae.encode(x) * dead) @ sae.W_dec).square().sum(-1).mean()
    return out | {"loss": out["mse"] + l1 * out["l1"] + aux * out["aux"]}


sae_gradients = right_gradients


# %% wrong: the error is not held constant -> "detach it"
def sae_loss(sae, x, l1=0.0, dead=None, aux=0.0):
    out = parts(sae, x, dead, hold=False)
    return out | {"loss": out["mse"] + l1 * out["l1"] + aux * out["aux"]}


sae_gradients = right_gradients


# %% wrong: the part along the rows stays -> "no part along its rows"
sae_loss = right_loss


def sae_gradients(sae, x, l1=0.0, dead=None, aux=0.0):
    names = ["W_enc", "b_enc", "W_dec", "b_dec"]
    return dict(
        zip(
            names,
            torch.autograd.grad(
                sae_loss(sae, x, l1, dead, aux)["loss"], [getattr(sae, name) for name in names]
            ),
        )
    )


# %% wrong: the parallel part forgets the length of the rows -> "no part along its rows"
sae_loss = right_loss


def sae_gradients(sae, x, l1=0.0, dead=None, aux=0.0):
    names = ["W_enc", "b_enc", "W_dec", "b_dec"]
    out = dict(
        zip(
            names,
            torch.autograd.grad(
                sae_loss(sae, x, l1, dead, aux)["loss"], [getattr(sae, name) for name in names]
            ),
        )
    )
    out["W_dec"] = (
        out["W_dec"] - (out["W_dec"] * sae.W_dec.detach()).sum(1, keepdim=True) * sae.W_dec.detach()
    )
    return out


# %% wrong: gradients of the squared error only -> "finite differences"
sae_loss = right_loss


def sae_gradients(sae, x, l1=0.0, dead=None, aux=0.0):
    names = ["W_enc", "b_enc", "W_dec", "b_dec"]
    out = dict(
        zip(names, torch.autograd.grad(sae_loss(sae, x)["mse"], [getattr(sae, name) for name in names]))
    )
    out["W_dec"] = across(out["W_dec"], sae.W_dec.detach())
    return out


# %% wrong: takes a step -> "changed its argument"
sae_loss = right_loss


def sae_gradients(sae, x, l1=0.0, dead=None, aux=0.0):
    names = ["W_enc", "b_enc", "W_dec", "b_dec"]
    weights = [getattr(sae, name) for name in names]
    out = dict(zip(names, torch.autograd.grad(sae_loss(sae, x, l1, dead, aux)["loss"], weights)))
    out["W_dec"] = across(out["W_dec"], sae.W_dec.detach())
    with torch.no_grad():
        sae.W_enc -= 1e-3 * out["W_enc"]
    return out


# %% wrong: the gradients were left for later -> "sae_gradients returned None"
sae_loss = right_loss


def sae_gradients(sae, x, l1=0.0, dead=None, aux=0.0):
    return None


# %% wrong: no gradient for the biases -> "four gradients by name"
sae_loss = right_loss


def sae_gradients(sae, x, l1=0.0, dead=None, aux=0.0):
    out = right_gradients(sae, x, l1, dead, aux)
    return {name: out[name] for name in ("W_enc", "W_dec")}


# %% wrong: W_dec's gradient is thrown away with its parallel part -> "should stay"
sae_loss = right_loss


def sae_gradients(sae, x, l1=0.0, dead=None, aux=0.0):
    out = right_gradients(sae, x, l1, dead, aux)
    return out | {"W_dec": torch.zeros_like(out["W_dec"])}


# %% right: with backward, on a copy
sae_loss = right_loss


import copy


def sae_gradients(sae, x, l1=0.0, dead=None, aux=0.0):
    twin = copy.deepcopy(sae)
    twin.zero_grad()
    sae_loss(twin, x, l1, dead, aux)["loss"].backward()
    out = {name: p.grad.clone() for name, p in twin.named_parameters()}
    unit = twin.W_dec.detach() / twin.W_dec.detach().norm(dim=1, keepdim=True)
    out["W_dec"] -= torch.einsum("nd,nd->n", out["W_dec"], unit)[:, None] * unit
    return out


# %% right: the terms one by one
def sae_loss(sae, x, l1=0.0, dead=None, aux=0.0):
    z = sae.encode(x)
    left = x - sae(x)
    mse = torch.einsum("bd,bd->b", left, left).mean()
    sparsity = torch.einsum("bn,n->b", z, sae.W_dec.norm(dim=-1)).mean()
    extra = mse.new_zeros(())
    if dead is not None and bool(dead.any()):
        who = dead.nonzero()[:, 0]
        pre = ((x - sae.b_dec) @ sae.W_enc + sae.b_enc)[:, who]
        again = topk(pre, min(sae.k, len(who))) @ sae.W_dec[who]
        extra = (left.detach() - again).pow(2).sum(1).mean()
    return {"loss": mse + l1 * sparsity + aux * extra, "mse": mse, "l1": sparsity, "aux": extra}


sae_gradients = right_gradients
