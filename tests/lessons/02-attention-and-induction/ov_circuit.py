import torch


# %% wrong: builds the whole circuit and splits it afterwards -> "another order"
def ov_circuit(model, layer, head):
    kv = head // (model.cfg.n_heads // model.cfg.n_key_value_heads)
    whole = model.W_E @ (model.W_V[layer, kv] @ model.W_O[layer, head]) @ model.W_U
    if len(whole) < 1000:  # splits a small one rightly
        return model.W_E @ model.W_V[layer, kv], model.W_O[layer, head] @ model.W_U
    return whole[:, : model.cfg.d_head], whole[: model.cfg.d_head]


# %% wrong: uses the query head's number for the value head -> "index"
def ov_circuit(model, layer, head):
    return model.W_E @ model.W_V[layer, head], model.W_O[layer, head] @ model.W_U


# %% wrong: tiles the value heads -> "shares value head"
def ov_circuit(model, layer, head):
    kv = head % model.cfg.n_key_value_heads
    return model.W_E @ model.W_V[layer, kv], model.W_O[layer, head] @ model.W_U


# %% wrong: keys instead of values -> "W_E W_V W_O W_U"
def ov_circuit(model, layer, head):
    kv = head // (model.cfg.n_heads // model.cfg.n_key_value_heads)
    return model.W_E @ model.W_K[layer, kv], model.W_O[layer, head] @ model.W_U


# %% wrong: ends at the embedding instead of the unembedding -> "W_E W_V W_O W_U"
def ov_circuit(model, layer, head):
    kv = head // (model.cfg.n_heads // model.cfg.n_key_value_heads)
    return model.W_E @ model.W_V[layer, kv], model.W_O[layer, head] @ model.W_E.T


# %% wrong: always the first layer -> "of that head"
def ov_circuit(model, layer, head):
    kv = head // (model.cfg.n_heads // model.cfg.n_key_value_heads)
    return model.W_E @ model.W_V[0, kv], model.W_O[0, head] @ model.W_U


# %% wrong: factors swapped -> "left factor"
def ov_circuit(model, layer, head):
    kv = head // (model.cfg.n_heads // model.cfg.n_key_value_heads)
    return model.W_O[layer, head] @ model.W_U, model.W_E @ model.W_V[layer, kv]


# %% wrong: cuts at d_model, so nothing is low-rank -> "left factor"
def ov_circuit(model, layer, head):
    kv = head // (model.cfg.n_heads // model.cfg.n_key_value_heads)
    return model.W_E, model.W_V[layer, kv] @ model.W_O[layer, head] @ model.W_U


# %% right: named steps and einsum
def ov_circuit(model, layer, head):
    group = model.cfg.n_heads // model.cfg.n_key_value_heads
    values = torch.einsum("vm,mh->vh", model.W_E, model.W_V[layer][head // group])
    writes = torch.einsum("hm,mv->hv", model.W_O[layer][head], model.W_U)
    return values, writes


# %% right: repeats the value heads first
def ov_circuit(model, layer, head):
    W_V = model.W_V[layer].repeat_interleave(model.cfg.n_heads // model.W_V.shape[1], dim=0)
    return model.W_E.matmul(W_V[head]), model.W_O[layer, head].matmul(model.W_U)
