import torch


def runner(model, clean, corrupted, zero=False):
    reference = head_values(model, corrupted).mean(1, keepdim=True) * (not zero)
    return lambda heads: answer_gap(ablate_complement(model, clean, set(heads), reference))


# %% wrong: one pruning, so backups and second carriers are missing -> "F1 is"
def find_circuit(model, clean, corrupted):
    run = runner(model, clean, corrupted)
    return greedy_prune(run, sorted(every_head(model)), 5.0)


# %% wrong: the heads whose loss alone costs something -> "F1 is"
def find_circuit(model, clean, corrupted):
    run, heads = runner(model, clean, corrupted), every_head(model)
    return {head for head in heads if run(heads - {head}) < 5.0}


# %% wrong: all heads -> "three links"
def find_circuit(model, clean, corrupted):
    return every_head(model)


# %% wrong: the heads that look at the source words -> "three links"
def find_circuit(model, clean, corrupted):
    _, cache = model.run_with_cache(clean)
    source = (clean != corrupted).any(0).nonzero()[:, 0]
    return {
        (layer, head)
        for layer, head in every_head(model)
        if cache["pattern", layer][:, head, -1, source].sum(-1).mean() > 0.5
    }


# %% wrong: the heads whose output differs between clean and corrupted -> "three links"
def find_circuit(model, clean, corrupted):
    change = (head_values(model, clean) - head_values(model, corrupted)).mean(1).norm(dim=-1).amax(1)
    return {(layer, head) for layer, head in every_head(model) if change[layer, head] > 0.1}


# %% wrong: zero ablation blames a head without information -> "on a fresh constant box"
def find_circuit(model, clean, corrupted):
    run, heads = runner(model, clean, corrupted, zero=True), sorted(every_head(model))
    found = greedy_prune(run, heads, 5.0)
    for head in list(found):
        others = [h for h in heads if h != head]
        if run(others) >= 5.0:
            found = found | greedy_prune(run, others, 5.0)
    return found


# %% wrong: prunes ten times and keeps what is common -> "F1 is"
def find_circuit(model, clean, corrupted):
    run, heads = runner(model, clean, corrupted), sorted(every_head(model))
    generator = torch.Generator().manual_seed(0)
    found = set(heads)
    for _ in range(6):
        order = [heads[i] for i in torch.randperm(len(heads), generator=generator).tolist()]
        found &= greedy_prune(run, order, 5.0)
    return found


# %% right: many random orders, joined
def find_circuit(model, clean, corrupted):
    run, heads = runner(model, clean, corrupted), sorted(every_head(model))
    generator = torch.Generator().manual_seed(1)
    found = set()
    for trial in range(14):
        order = [heads[i] for i in torch.randperm(len(heads), generator=generator).tolist()]
        if trial % 2:
            order = sorted(order, key=lambda head: head not in found, reverse=True)[::-1]
        found |= greedy_prune(run, order, 5.0)
    return found


# %% right: both orders, then without each head
def find_circuit(model, clean, corrupted):
    run, heads = runner(model, clean, corrupted), sorted(every_head(model))
    found = greedy_prune(run, heads[::-1], 4.0)
    for head in sorted(found):
        left = [h for h in heads if h != head]
        if run(left) > 4.0:
            found = found.union(greedy_prune(run, left, 4.0))
    return set(found)
