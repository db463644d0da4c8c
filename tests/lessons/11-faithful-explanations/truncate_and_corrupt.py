import re

from course_utils.reasoners import total_in


def spoil(step, more):
    head, total = step.rsplit("= ", 1)
    digits = re.match(r"\d+", total)[0]
    return f"{head}= {int(digits) + more}{total[len(digits) :]}"


def trials_of(question, write, steps, rng):
    trials = [("truncate", k, steps[:k], steps[:k]) for k in range(len(steps))]
    for k in range(len(steps)):
        given = [*steps[:k], spoil(steps[k], int(rng.integers(1, 10)))]
        trials.append(("corrupt", k, given, write(question, given)))
    return [*trials, ("filler", 0, ["…"] * len(steps), ["…"] * len(steps))]


def leaks(before, given):
    return str(before) in re.findall(r"\d+", " ".join(given))


def records_of(question, answer, before, trials):
    return [
        {
            "kind": kind,
            "step": k,
            "before": before,
            "after": answer(question, text),
            "implied": total_in(text),
        }
        for kind, k, given, text in trials
        if not leaks(before, given)
    ]


# %% wrong: leaks stay in -> "a leak"
def truncate_and_corrupt(question, write, answer, rng):
    steps = write(question, [])
    before = answer(question, steps)
    return [
        {
            "kind": kind,
            "step": k,
            "before": before,
            "after": answer(question, text),
            "implied": total_in(text),
        }
        for kind, k, _, text in trials_of(question, write, steps, rng)
    ]


# %% wrong: the original steps stay behind the mistake, with the answer in them -> "written anew"
def truncate_and_corrupt(question, write, answer, rng):
    steps = write(question, [])
    before = answer(question, steps)
    trials = trials_of(question, lambda q, given: [*given, *steps[len(given) :]], steps, rng)
    for kind, k, given, text in trials:
        if kind == "corrupt":
            write(question, text)
    return records_of(question, answer, before, trials)


# %% wrong: answers right after the mistake, without writing on -> "no text was written"
def truncate_and_corrupt(question, write, answer, rng):
    steps = write(question, [])
    before = answer(question, steps)
    return records_of(question, answer, before, trials_of(question, lambda q, given: given, steps, rng))


# %% wrong: lets the model write on after a cut -> "after k steps this model answers"
def truncate_and_corrupt(question, write, answer, rng):
    steps = write(question, [])
    before = answer(question, steps)
    trials = trials_of(question, write, steps, rng)
    trials = [
        (kind, k, given, write(question, given) if kind == "truncate" else text)
        for kind, k, given, text in trials
    ]
    return records_of(question, answer, before, trials)


# %% wrong: cuts after 1 to n steps -> "cut after 0, 1 and 2 of them"
def truncate_and_corrupt(question, write, answer, rng):
    steps = write(question, [])
    before = answer(question, steps)
    trials = [t for t in trials_of(question, write, steps, rng) if t[0] != "truncate"]
    trials += [("truncate", k, steps[:k], steps[:k]) for k in range(1, len(steps) + 1)]
    return records_of(question, answer, before, trials)


# %% wrong: spoils the first total of a step -> "after the last '= '"
def truncate_and_corrupt(question, write, answer, rng):
    steps = write(question, [])
    before = answer(question, steps)
    trials = [t for t in trials_of(question, lambda q, given: given, steps, rng) if t[0] != "corrupt"]
    for k in range(len(steps)):
        more = int(rng.integers(1, 10))
        bad = re.sub(r"= (\d+)", lambda m: f"= {int(m[1]) + more}", steps[k], count=1)
        given = [*steps[:k], bad]
        trials.append(("corrupt", k, given, write(question, given)))
    return records_of(question, answer, before, trials)


# %% wrong: always one more -> "draw each wrong total anew"
def truncate_and_corrupt(question, write, answer, rng):
    class One:
        def integers(self, *_):
            return 1

    steps = write(question, [])
    before = answer(question, steps)
    return records_of(question, answer, before, trials_of(question, write, steps, One()))


# %% wrong: a leak is looked for in the text, not among its numbers -> "is missing"
def truncate_and_corrupt(question, write, answer, rng):
    steps = write(question, [])
    before = answer(question, steps)
    return [
        {
            "kind": kind,
            "step": k,
            "before": before,
            "after": answer(question, text),
            "implied": total_in(text),
        }
        for kind, k, given, text in trials_of(question, write, steps, rng)
        if str(before) not in " ".join(given)
    ]


# %% wrong: drops texts in which the model itself came back to its answer -> "is missing"
def truncate_and_corrupt(question, write, answer, rng):
    steps = write(question, [])
    before = answer(question, steps)
    trials = [(kind, k, text, text) for kind, k, _, text in trials_of(question, write, steps, rng)]
    return records_of(question, answer, before, trials)


# %% wrong: implied is the total of what was handed over -> "'implied' should be"
def truncate_and_corrupt(question, write, answer, rng):
    steps = write(question, [])
    before = answer(question, steps)
    return [
        {
            "kind": kind,
            "step": k,
            "before": before,
            "after": answer(question, text),
            "implied": total_in(given),
        }
        for kind, k, given, text in trials_of(question, write, steps, rng)
        if not leaks(before, given)
    ]


# %% wrong: the original answer is taken without any steps -> "answer after all steps"
def truncate_and_corrupt(question, write, answer, rng):
    steps = write(question, [])
    before = answer(question, [])
    return records_of(question, answer, before, trials_of(question, write, steps, rng))


# %% wrong: one dot for all steps -> "'after' should be"
def truncate_and_corrupt(question, write, answer, rng):
    steps = write(question, [])
    before = answer(question, steps)
    trials = trials_of(question, write, steps, rng)[:-1]
    return records_of(question, answer, before, [*trials, ("filler", 0, ["…"], ["…"])])


# %% right: loops, and leaks are looked for before anything is run
def truncate_and_corrupt(question, write, answer, rng):
    steps = list(write(question, []))
    before, records = answer(question, steps), []

    def add(kind, k, given, text):
        after = answer(question, text)
        records.append({"kind": kind, "step": k, "before": before, "after": after, "implied": total_in(text)})

    for k in range(len(steps)):
        if not leaks(before, steps[:k]):
            add("truncate", k, steps[:k], steps[:k])
        wrong = re.sub(r"= (\d+)(?!.*= \d)", lambda m: f"= {int(m[1]) + int(rng.integers(1, 10))}", steps[k])
        given = steps[:k] + [wrong]
        if not leaks(before, given):
            add("corrupt", k, given, write(question, given))
    add("filler", 0, None, ["…" for _ in steps])
    return records


# %% right: sets of numbers, all wrong totals drawn at once, records with the text in them
def truncate_and_corrupt(question, write, answer, rng):
    steps = write(question, [])
    before, n = answer(question, steps), len(steps)
    deltas = rng.integers(1, 10, size=n)
    handed = {("truncate", k): steps[:k] for k in range(n)}
    handed |= {("corrupt", k): steps[:k] + [spoil(steps[k], int(deltas[k]))] for k in range(n)}
    handed["filler", 0] = ["…"] * n
    made = []
    for (kind, k), given in handed.items():
        if before in {int(number) for number in re.findall(r"\d+", "\n".join(given))}:
            continue
        text = write(question, given) if kind == "corrupt" else given
        made.append({"kind": kind, "step": k, "before": before, "given": given, "text": text})
    for record in made:
        record["after"], record["implied"] = answer(question, record["text"]), total_in(record["text"])
    return made
