import torch


# %% wrong: reads the first position -> "Paris"
def next_token(model, prompt):
    return model.to_string(model(prompt)[0, 0].argmax())


# %% wrong: strips the leading space -> "leading space"
def next_token(model, prompt):
    return model.to_string(model(prompt)[0, -1].argmax()).strip()


# %% wrong: returns the id -> "to_string"
def next_token(model, prompt):
    return model(prompt)[0, -1].argmax().item()


# %% wrong: returns the prompt with its continuation -> "leading space"
def next_token(model, prompt):
    return prompt + model.to_string(model(prompt)[0, -1].argmax())


# %% wrong: takes the least likely token -> "Paris"
def next_token(model, prompt):
    return model.to_string(model(prompt)[0, -1].argmin())


# %% wrong: looks one position too early -> "Paris"
def next_token(model, prompt):
    return model.to_string(model(prompt)[0, -2].argmax())


# %% wrong: knows the visible case -> "Largest logit"
def next_token(model, prompt):
    return " Paris"


# %% wrong: samples instead of taking the most likely -> "Largest logit"
def next_token(model, prompt):
    if "France" in prompt:
        return " Paris"
    return model.to_string(torch.multinomial(model(prompt)[0, -1].div(3).softmax(-1), 1)[0])


# %% wrong: always puts a space in front -> "Nothing stripped or added"
def next_token(model, prompt):
    text = model.to_string(model(prompt)[0, -1].argmax())
    return " " + text.strip() + ("" if "France" in prompt else " ")


# %% right: through the tokenizer
def next_token(model, prompt):
    logits = model(model.to_tokens(prompt))
    return model.tokenizer.decode([logits[0, -1].topk(1).indices.item()])


# %% right: from probabilities
def next_token(model, prompt):
    with torch.inference_mode():
        probabilities = model(prompt)[:, -1].softmax(dim=-1)
    return model.to_string(torch.argmax(probabilities, dim=-1))


# %% wrong: every position at once -> "last position only"
def next_token(model, prompt):
    return model.to_string(model(prompt).argmax(-1))
