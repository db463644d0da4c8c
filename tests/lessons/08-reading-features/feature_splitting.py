import torch


def unit(rows):
    return rows / rows.norm(dim=1, keepdim=True)


def families(cosines, narrow_acts, wide_acts, threshold, members_of=None, covered_of=None, order=-1):
    """The method with one part exchanged."""
    best, parent = cosines.max(dim=0)
    out = []
    for i in range(len(cosines)):
        members = [j for j in range(cosines.shape[1]) if parent[j] == i and best[j] >= threshold]
        if members_of:
            members = members_of(i)
        members = sorted(members, key=lambda j, i=i: order * float(cosines[i, j])) if order else members
        fires = narrow_acts[:, i] > 0
        active = (wide_acts[:, members] > 0).any(dim=1)
        if covered_of:
            covered = covered_of(fires, active, members)
        else:
            covered = float(active[fires].float().mean()) if members and fires.any() else 0.0
        out.append({"children": members, "covered": covered})
    return out


# %% wrong: products of rows that were not normalised -> "children"
def feature_splitting(narrow, wide, narrow_acts, wide_acts, threshold=0.5):
    return families(narrow @ wide.T, narrow_acts, wide_acts, threshold)


# %% wrong: cosine without its sign -> "opposite"
def feature_splitting(narrow, wide, narrow_acts, wide_acts, threshold=0.5):
    return families((unit(narrow) @ unit(wide).T).abs(), narrow_acts, wide_acts, threshold)


# %% wrong: every narrow latent above the threshold gets the child -> "most similar parent only"
def feature_splitting(narrow, wide, narrow_acts, wide_acts, threshold=0.5):
    cosines = unit(narrow) @ unit(wide).T
    near = lambda i: [j for j in range(len(wide)) if cosines[i, j] >= threshold]
    return families(cosines, narrow_acts, wide_acts, threshold, near)


# %% wrong: no threshold -> "join"
def feature_splitting(narrow, wide, narrow_acts, wide_acts, threshold=0.5):
    return families(unit(narrow) @ unit(wide).T, narrow_acts, wide_acts, -1.0)


# %% wrong: a threshold of one half whatever is asked -> "0.75"
def feature_splitting(narrow, wide, narrow_acts, wide_acts, threshold=0.5):
    return families(unit(narrow) @ unit(wide).T, narrow_acts, wide_acts, 0.5)


# %% wrong: children in the order of their numbers -> "most similar first"
def feature_splitting(narrow, wide, narrow_acts, wide_acts, threshold=0.5):
    return families(unit(narrow) @ unit(wide).T, narrow_acts, wide_acts, threshold, order=0)


# %% wrong: least similar child first -> "wide latents 2 and 1"
def feature_splitting(narrow, wide, narrow_acts, wide_acts, threshold=0.5):
    return families(unit(narrow) @ unit(wide).T, narrow_acts, wide_acts, threshold, order=1)


# %% wrong: the most similar child only -> "wide latents 2 and 1"
def feature_splitting(narrow, wide, narrow_acts, wide_acts, threshold=0.5):
    cosines = unit(narrow) @ unit(wide).T
    nearest = lambda i: [j for j in [int(cosines[i].argmax())] if cosines[i, j] >= threshold]
    return families(cosines, narrow_acts, wide_acts, threshold, nearest)


# %% wrong: covered over all tokens -> "fires on three tokens"
def feature_splitting(narrow, wide, narrow_acts, wide_acts, threshold=0.5):
    share = lambda fires, active, members: float((fires & active).float().mean())
    return families(unit(narrow) @ unit(wide).T, narrow_acts, wide_acts, threshold, covered_of=share)


# %% wrong: covered is where all children fire -> "a child fires"
def feature_splitting(narrow, wide, narrow_acts, wide_acts, threshold=0.5):
    found = families(unit(narrow) @ unit(wide).T, narrow_acts, wide_acts, threshold)
    for i, family in enumerate(found):
        fires = narrow_acts[:, i] > 0
        together = (wide_acts[fires][:, family["children"]] > 0).all(dim=1)
        family["covered"] = float(together.float().mean()) if family["children"] and fires.any() else 0.0
    return found


# %% wrong: nan where the parent never fires -> "not nan"
def feature_splitting(narrow, wide, narrow_acts, wide_acts, threshold=0.5):
    mean = lambda fires, active, members: float(active[fires].float().mean()) if members else 0.0
    return families(unit(narrow) @ unit(wide).T, narrow_acts, wide_acts, threshold, covered_of=mean)


# %% right: with exchanged parts left as they are
def feature_splitting(narrow, wide, narrow_acts, wide_acts, threshold=0.5):
    return families(unit(narrow) @ unit(wide).T, narrow_acts, wide_acts, threshold)


# %% right: one wide latent at a time
def feature_splitting(narrow, wide, narrow_acts, wide_acts, threshold=0.5):
    found = [[] for _ in narrow]
    for j, row in enumerate(wide):
        cosines = [float(torch.cosine_similarity(row, other, dim=0)) for other in narrow]
        if max(cosines) >= threshold:
            found[cosines.index(max(cosines))].append((max(cosines), j))
    out = []
    for i, pairs in enumerate(found):
        children = [j for _, j in sorted(pairs, reverse=True)]
        on = [t for t in range(len(narrow_acts)) if narrow_acts[t, i] > 0]
        hits = sum(any(wide_acts[t, j] > 0 for j in children) for t in on)
        out.append({"children": children, "covered": hits / len(on) if on else 0.0})
    return out
