# %% wrong: nothing ever matters -> "without any member"
def predict_effect(explanation, off):
    return 1.0


# %% wrong: any head of the story that is off kills the answer -> "one of two"
def predict_effect(explanation, off):
    return float(not any(node in off for node in explanation))


# %% wrong: one group is enough -> "without any member"
def predict_effect(explanation, off):
    def passes(node):
        if node in off:
            return False
        return node not in explanation or any(any(map(passes, group)) for group in explanation[node])

    return float(passes("answer"))


# %% wrong: every member of a group is needed -> "one of two"
def predict_effect(explanation, off):
    def passes(node):
        if node in off:
            return False
        return node not in explanation or all(all(map(passes, group)) for group in explanation[node])

    return float(passes("answer"))


# %% wrong: looks only at the direct senders of the answer -> "without any member"
def predict_effect(explanation, off):
    return float(all(any(member not in off for member in group) for group in explanation["answer"]))


# %% wrong: two steps deep only -> "all the way up"
def predict_effect(explanation, off):
    def alive(node, depth):
        if node in off:
            return False
        if depth == 0 or node not in explanation:
            return True
        return all(any(alive(member, depth - 1) for member in group) for group in explanation[node])

    return float(alive("answer", 2))


# %% wrong: words cannot be switched off -> "every group is needed"
def predict_effect(explanation, off):
    def passes(node):
        if isinstance(node, str) and node.startswith("word"):
            return True
        return node not in off and all(any(map(passes, group)) for group in explanation[node])

    return float(passes("answer"))


# %% wrong: anything off kills the answer -> "one of two"
def predict_effect(explanation, off):
    return float(not off)


# %% wrong: the opposite -> "nothing is off"
def predict_effect(explanation, off):
    def passes(node):
        return node not in off and all(any(map(passes, group)) for group in explanation.get(node, []))

    return 1.0 - float(passes("answer"))


# %% wrong: words that the story does not mention matter too -> "fresh"
def predict_effect(explanation, off):
    def passes(node):
        return node not in off and all(any(map(passes, group)) for group in explanation.get(node, []))

    return float(passes("answer") and len(off) < 4)


# %% right: get with an empty list
def predict_effect(explanation, off):
    def passes(node):
        return node not in off and all(any(map(passes, group)) for group in explanation.get(node, []))

    return 1.0 if passes("answer") else 0.0


# %% right: no recursion, a set that shrinks until nothing changes
def predict_effect(explanation, off):
    nodes = set(explanation) | {
        member for groups in explanation.values() for group in groups for member in group
    }
    alive = nodes - set(off)
    while True:
        left = {n for n in alive if all(any(m in alive for m in group) for group in explanation.get(n, []))}
        if left == alive:
            return float("answer" in alive)
        alive = left
