import torch


def probe(rows, wrong):
    at_wrong, at_right = rows[wrong].mean(0), rows[~wrong].mean(0)
    return (at_wrong - at_right) / (at_wrong - at_right).norm(), (at_wrong + at_right) / 2


def score(rows, unit, middle):
    return (rows - middle) @ unit


# %% wrong: trained and scored on everything -> "only its own labels"
def hallucination_flag(resid, wrong, fact_of):
    return score(resid, *probe(resid, wrong))


# %% wrong: one question is left out, its other wordings stay -> "only its own labels"
def hallucination_flag(resid, wrong, fact_of):
    out = torch.empty(len(resid))
    for i in range(len(resid)):
        rest = torch.arange(len(resid)) != i
        out[i] = score(resid[i], *probe(resid[rest], wrong[rest]))
    return out


# %% wrong: first half trains, all are scored -> "fact"
def hallucination_flag(resid, wrong, fact_of):
    half = len(resid) // 2
    return score(resid, *probe(resid[:half], wrong[:half]))


# %% wrong: high for right answers -> "tell them apart"
def hallucination_flag(resid, wrong, fact_of):
    out = torch.empty(len(resid))
    for fact in fact_of.unique():
        here = fact_of == fact
        out[here] = -score(resid[here], *probe(resid[~here], wrong[~here]))
    return out


# %% wrong: no midpoint -> "AUC should be above 0.85"
def hallucination_flag(resid, wrong, fact_of):
    out = torch.empty(len(resid))
    for fact in fact_of.unique():
        here = fact_of == fact
        out[here] = resid[here] @ probe(resid[~here], wrong[~here])[0]
    return out


# %% wrong: centred on the fact itself -> "tell them apart"
def hallucination_flag(resid, wrong, fact_of):
    out = torch.empty(len(resid))
    for fact in fact_of.unique():
        here = fact_of == fact
        unit, middle = probe(resid, wrong)
        out[here] = score(resid[here], unit, resid[here].mean(0))
    return out


# %% wrong: random folds over questions -> "labels"
def hallucination_flag(resid, wrong, fact_of):
    out, fold = (
        torch.empty(len(resid)),
        torch.randperm(len(resid), generator=torch.Generator().manual_seed(0)) % 5,
    )
    for k in range(5):
        here = fold == k
        out[here] = score(resid[here], *probe(resid[~here], wrong[~here]))
    return out


# %% wrong: facts are taken to be blocks of four neighbours -> "order of the questions"
def hallucination_flag(resid, wrong, fact_of):
    block, out = torch.arange(len(resid)) // 4, torch.empty(len(resid))
    for b in block.unique():
        here = block == b
        out[here] = score(resid[here], *probe(resid[~here], wrong[~here]))
    return out


# %% wrong: the labels themselves -> "only its own labels"
def hallucination_flag(resid, wrong, fact_of):
    return wrong.float()


# %% right: groups first, from sums
def hallucination_flag(resid, wrong, fact_of):
    out = torch.zeros(len(resid))
    for fact in set(fact_of.tolist()):
        here = torch.tensor([f == fact for f in fact_of.tolist()])
        bad, good = resid[wrong & ~here], resid[~wrong & ~here]
        a, b = bad.sum(0) / len(bad), good.sum(0) / len(good)
        unit = torch.nn.functional.normalize(a - b, dim=0)
        out[here] = resid[here] @ unit - (a @ unit + b @ unit) / 2
    return out


# %% right: in double precision, question by question
def hallucination_flag(resid, wrong, fact_of):
    found = []
    for row, fact in zip(resid.double(), fact_of):
        rest = fact_of != fact
        found.append(score(row, *probe(resid.double()[rest], wrong[rest])))
    return torch.stack(found).float()
