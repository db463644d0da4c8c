import re


def layers(cache):
    return 1 + max(int(name.split(".")[1]) for name in cache if name.startswith("blocks."))


# %% wrong: the running sums instead of what is added -> "six parts"
def residual_parts(cache):
    return {name: cache[name] for name in cache if name.endswith(("hook_embed", "hook_resid_post"))}


# %% wrong: forgets the positions -> "six parts"
def residual_parts(cache):
    parts = {"embed": cache["hook_embed"]}
    for layer in range(layers(cache)):
        for kind in ("attn", "mlp"):
            parts[f"L{layer} {kind}"] = cache[f"blocks.{layer}.hook_{kind}_out"]
    return parts


# %% wrong: layers sorted as text, 10 before 2 -> "layer 2 before layer 10"
def residual_parts(cache):
    parts = {k.removeprefix("hook_"): cache[k] for k in ("hook_embed", "hook_pos_embed") if k in cache}
    for layer in sorted(str(i) for i in range(layers(cache))):
        for kind in ("attn", "mlp"):
            if f"blocks.{layer}.hook_{kind}_out" in cache:
                parts[f"L{layer} {kind}"] = cache[f"blocks.{layer}.hook_{kind}_out"]
    return parts


# %% wrong: embeddings and positions as one part -> "six parts"
def residual_parts(cache):
    parts = {"embed": cache["hook_embed"] + cache.get("hook_pos_embed", 0)}
    for layer in range(layers(cache)):
        for kind in ("attn", "mlp"):
            if f"blocks.{layer}.hook_{kind}_out" in cache:
                parts[f"L{layer} {kind}"] = cache[f"blocks.{layer}.hook_{kind}_out"]
    return parts


# %% wrong: believes in two layers, as in the visible case -> "missing"
def residual_parts(cache):
    parts = {"embed": cache["hook_embed"], "pos_embed": cache["hook_pos_embed"]}
    for layer in range(2):
        for kind in ("attn", "mlp"):
            if f"blocks.{layer}.hook_{kind}_out" in cache:
                parts[f"L{layer} {kind}"] = cache[f"blocks.{layer}.hook_{kind}_out"]
    return parts


# %% wrong: insists on an MLP -> "hook_mlp_out"
def residual_parts(cache):
    parts = {k.removeprefix("hook_"): cache[k] for k in ("hook_embed", "hook_pos_embed") if k in cache}
    for layer in range(layers(cache)):
        parts[f"L{layer} attn"] = cache[f"blocks.{layer}.hook_attn_out"]
        parts[f"L{layer} mlp"] = cache[f"blocks.{layer}.hook_mlp_out"]
    return parts


# %% wrong: attention and MLP exchanged -> "L0 attn should be"
def residual_parts(cache):
    parts = {k.removeprefix("hook_"): cache[k] for k in ("hook_embed", "hook_pos_embed") if k in cache}
    for layer in range(layers(cache)):
        has_mlp = f"blocks.{layer}.hook_mlp_out" in cache
        parts[f"L{layer} attn"] = cache[f"blocks.{layer}.hook_{'mlp' if has_mlp else 'attn'}_out"]
        if has_mlp:
            parts[f"L{layer} mlp"] = cache[f"blocks.{layer}.hook_attn_out"]
    return parts


# %% wrong: the stream before the MLP as attention -> "sum to the final residual"
def residual_parts(cache):
    parts = {k.removeprefix("hook_"): cache[k] for k in ("hook_embed", "hook_pos_embed") if k in cache}
    for layer in range(layers(cache)):
        parts[f"L{layer} attn"] = cache.get(
            f"blocks.{layer}.hook_resid_mid", cache[f"blocks.{layer}.hook_attn_out"]
        )
        if f"blocks.{layer}.hook_mlp_out" in cache:
            parts[f"L{layer} mlp"] = cache[f"blocks.{layer}.hook_mlp_out"]
    return parts


# %% right: a pattern for names, sorted by layer as a number
def residual_parts(cache):
    found = {}
    for name, value in cache.items():
        if match := re.fullmatch(r"blocks\.(\d+)\.hook_(attn|mlp)_out", name):
            found[int(match[1]), match[2]] = value
    parts = {short: cache[f"hook_{short}"] for short in ("embed", "pos_embed") if f"hook_{short}" in cache}
    return parts | {f"L{layer} {kind}": found[layer, kind] for layer, kind in sorted(found)}


# %% right: differences of the running sum for attention only, outputs for MLPs
def residual_parts(cache):
    parts = {"embed": cache["hook_embed"].clone()}
    if "hook_pos_embed" in cache:
        parts["pos_embed"] = cache["hook_pos_embed"].clone()
    for layer in range(layers(cache)):
        for kind in ("attn", "mlp"):
            out = cache.get(f"blocks.{layer}.hook_{kind}_out")
            if out is not None:
                parts[f"L{layer} {kind}"] = out.clone()
    return parts


# %% wrong: the parts under the names of their hooks -> "named and ordered"
def residual_parts(cache):
    return {name: part for name, part in cache.items() if name.endswith(("embed", "attn_out", "mlp_out"))}
