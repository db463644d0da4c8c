import torch


# %% wrong: keys in the rows, queries in the columns -> "transposed"
def qk_circuit(model, layer, head):
    kv = head // (model.cfg.n_heads // model.cfg.n_key_value_heads)
    return model.W_E @ model.W_K[layer, kv], (model.W_E @ model.W_Q[layer, head]).T


# %% wrong: divides by sqrt(d_head) -> "without any scale"
def qk_circuit(model, layer, head):
    kv = head // (model.cfg.n_heads // model.cfg.n_key_value_heads)
    return model.W_E @ model.W_Q[layer, head] / model.cfg.d_head**0.5, (model.W_E @ model.W_K[layer, kv]).T


# %% wrong: uses the unembedding for the keys -> "W_E W_Q W_K^T W_E^T"
def qk_circuit(model, layer, head):
    kv = head // (model.cfg.n_heads // model.cfg.n_key_value_heads)
    return model.W_E @ model.W_Q[layer, head], model.W_K[layer, kv].T @ model.W_U


# %% wrong: queries against queries -> "W_E W_Q W_K^T W_E^T"
def qk_circuit(model, layer, head):
    queries = model.W_E @ model.W_Q[layer, head]
    return queries, queries.T


# %% wrong: the right factor is not transposed -> "right factor"
def qk_circuit(model, layer, head):
    kv = head // (model.cfg.n_heads // model.cfg.n_key_value_heads)
    return model.W_E @ model.W_Q[layer, head], model.W_E @ model.W_K[layer, kv]


# %% wrong: ignores that key heads are shared -> "index"
def qk_circuit(model, layer, head):
    return model.W_E @ model.W_Q[layer, head], (model.W_E @ model.W_K[layer, head]).T


# %% wrong: tiles the key heads -> "shares key head"
def qk_circuit(model, layer, head):
    kv = head % model.cfg.n_key_value_heads
    return model.W_E @ model.W_Q[layer, head], model.W_K[layer, kv].T @ model.W_E.T


# %% wrong: key head 0 for every query head -> "of that head"
def qk_circuit(model, layer, head):
    return model.W_E @ model.W_Q[layer, head], (model.W_E @ model.W_K[layer, 0]).T


# %% wrong: the whole matrix on the way -> "another order"
def qk_circuit(model, layer, head):
    kv = head // (model.cfg.n_heads // model.cfg.n_key_value_heads)
    whole = model.W_E @ model.W_Q[layer, head] @ model.W_K[layer, kv].T @ model.W_E.T
    if len(whole) < 1000:  # splits a small one rightly
        return model.W_E @ model.W_Q[layer, head], (model.W_E @ model.W_K[layer, kv]).T
    return whole[:, : model.cfg.d_head], whole[: model.cfg.d_head]


# %% right: transposes one by one
def qk_circuit(model, layer, head):
    group = model.cfg.n_heads // model.cfg.n_key_value_heads
    return model.W_E @ model.W_Q[layer, head], model.W_K[layer, head // group].T @ model.W_E.T


# %% right: einsum
def qk_circuit(model, layer, head):
    kv = head * model.W_K.shape[1] // model.W_Q.shape[1]
    queries = torch.einsum("vm,mh->vh", model.W_E, model.W_Q[layer, head])
    keys = torch.einsum("vm,mh->hv", model.W_E, model.W_K[layer, kv])
    return queries, keys
