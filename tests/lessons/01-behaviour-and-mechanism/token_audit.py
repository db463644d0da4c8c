def build(encode, forms):
    def token_audit(tokenizer, words):
        return {word: {key: encode(tokenizer, text) for key, text in forms(word).items()} for word in words}

    return token_audit


def plain(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False)


def four(word):
    return {
        "bare": word,
        "spaced": " " + word,
        "capital": " " + word.capitalize(),
        "upper": " " + word.upper(),
    }


# %% wrong: the start token is counted -> "start token"
token_audit = build(lambda tokenizer, text: tokenizer.encode(text), four)

# %% wrong: no leading space -> "should decode to"
token_audit = build(plain, lambda w: {"bare": w, "spaced": w, "capital": w.capitalize(), "upper": w.upper()})

# %% wrong: pieces of text, not ids -> "token ids"
token_audit = build(lambda tokenizer, text: [tokenizer.decode([i]) for i in plain(tokenizer, text)], four)

# %% wrong: everything in lower case -> "should decode to"
token_audit = build(lambda tokenizer, text: plain(tokenizer, text.lower()), four)

# %% wrong: the capital keeps the other letters as they are -> "should decode to"
token_audit = build(plain, lambda w: {**four(w), "capital": " " + w[:1].upper() + w[1:]})

# %% wrong: letter by letter -> "is one token"
token_audit = build(lambda tokenizer, text: [plain(tokenizer, c)[0] for c in text], four)

# %% wrong: only the first token -> "digit by digit"
token_audit = build(lambda tokenizer, text: plain(tokenizer, text)[:1], lambda w: four(w))

# %% wrong: the space is a token of its own -> "is one token"
token_audit = build(
    lambda tokenizer, text: (
        (plain(tokenizer, " ") if text[0] == " " else []) + plain(tokenizer, text.strip())
    ),
    four,
)

# %% wrong: a spelling is missing -> "four spellings"
token_audit = build(plain, lambda w: {"bare": w, "spaced": " " + w})


# %% right: all spellings in one call of the tokenizer
def token_audit(tokenizer, words):
    audit = {}
    for word in words:
        texts = [word, f" {word}", f" {word.capitalize()}", f" {word.upper()}"]
        ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
        audit[word] = dict(zip(["bare", "spaced", "capital", "upper"], ids))
    return audit


# %% right: takes the start token off again
token_audit = build(
    lambda tokenizer, text: [i for i in tokenizer.encode(text) if i != tokenizer.bos_token_id], four
)
