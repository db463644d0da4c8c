import numpy as np
import torch


# %% wrong: second minus first -> "first minus second"
def induction_gap(model, tokens):
    n = (tokens.shape[1] - 1) // 2
    losses = loss_by_token(model(tokens), tokens)
    gaps = losses[:, n + 1 : 2 * n].mean(1) - losses[:, 1:n].mean(1)
    error = 1.96 * gaps.std().item() / len(gaps) ** 0.5
    return gaps.mean().item(), gaps.mean().item() - error, gaps.mean().item() + error


# %% wrong: counts the first token of each half -> "tokens 2 to n"
def induction_gap(model, tokens):
    n = (tokens.shape[1] - 1) // 2
    losses = loss_by_token(model(tokens), tokens)
    gaps = losses[:, :n].mean(1) - losses[:, n:].mean(1)
    error = 1.96 * gaps.std().item() / len(gaps) ** 0.5
    return gaps.mean().item(), gaps.mean().item() - error, gaps.mean().item() + error


# %% wrong: off by one, the window starts one token late and drops the last -> "tokens 2 to n"
def induction_gap(model, tokens):
    n = (tokens.shape[1] - 1) // 2
    losses = loss_by_token(model(tokens), tokens)
    gaps = losses[:, 2 : n + 1].mean(1) - losses[:, n + 1 : 2 * n].mean(1)
    error = 1.96 * gaps.std().item() / len(gaps) ** 0.5
    return gaps.mean().item(), gaps.mean().item() - error, gaps.mean().item() + error


# %% wrong: treats every token as independent -> "over sequences"
def induction_gap(model, tokens):
    n = (tokens.shape[1] - 1) // 2
    losses = loss_by_token(model(tokens), tokens)
    gaps = (losses[:, 1:n] - losses[:, n + 1 : 2 * n]).flatten()
    error = 1.96 * gaps.std().item() / len(gaps) ** 0.5
    return gaps.mean().item(), gaps.mean().item() - error, gaps.mean().item() + error


# %% wrong: the standard deviation instead of the standard error -> "standard error"
def induction_gap(model, tokens):
    n = (tokens.shape[1] - 1) // 2
    losses = loss_by_token(model(tokens), tokens)
    gaps = losses[:, 1:n].mean(1) - losses[:, n + 1 : 2 * n].mean(1)
    error = 1.96 * gaps.std().item()
    return gaps.mean().item(), gaps.mean().item() - error, gaps.mean().item() + error


# %% wrong: one standard error, not 1.96 -> "standard error"
def induction_gap(model, tokens):
    n = (tokens.shape[1] - 1) // 2
    losses = loss_by_token(model(tokens), tokens)
    gaps = losses[:, 1:n].mean(1) - losses[:, n + 1 : 2 * n].mean(1)
    error = gaps.std().item() / len(gaps) ** 0.5
    return gaps.mean().item(), gaps.mean().item() - error, gaps.mean().item() + error


# %% wrong: an interval of fixed width -> "standard error"
def induction_gap(model, tokens):
    n = (tokens.shape[1] - 1) // 2
    losses = loss_by_token(model(tokens), tokens)
    gap = (losses[:, 1:n].mean() - losses[:, n + 1 : 2 * n].mean()).item()
    return gap, gap - 0.1, gap + 0.1


# %% wrong: sums instead of means -> "tokens 2 to n"
def induction_gap(model, tokens):
    n = (tokens.shape[1] - 1) // 2
    losses = loss_by_token(model(tokens), tokens)
    gaps = losses[:, 1:n].sum(1) - losses[:, n + 1 : 2 * n].sum(1)
    error = 1.96 * gaps.std().item() / len(gaps) ** 0.5
    return gaps.mean().item(), gaps.mean().item() - error, gaps.mean().item() + error


# %% wrong: a constant -> "tokens 2 to n"
def induction_gap(model, tokens):
    return 2.0, 1.9, 2.1


# %% right: log-softmax by hand and NumPy statistics
def induction_gap(model, tokens):
    logits = model(tokens)
    log_probs = torch.log_softmax(logits, -1)
    length = tokens.shape[1]
    n = length // 2
    loss = np.array(
        [
            [-log_probs[b, p - 1, tokens[b, p]].item() for p in range(1, length)]
            for b in range(tokens.shape[0])
        ]
    )
    gaps = loss[:, 1:n].mean(axis=1) - loss[:, n + 1 :].mean(axis=1)
    half_width = 1.96 * gaps.std(ddof=1) / np.sqrt(len(gaps))
    return float(gaps.mean()), float(gaps.mean() - half_width), float(gaps.mean() + half_width)


# %% right: cross entropy
def induction_gap(model, tokens):
    logits = model(tokens)[:, :-1]
    loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")
    first, second = loss.chunk(2, dim=1)
    gaps = first[:, 1:].mean(1) - second[:, 1:].mean(1)
    gap, half = gaps.mean(), 1.96 * gaps.std() / len(gaps) ** 0.5
    return gap.item(), (gap - half).item(), (gap + half).item()


# %% right: a bootstrap over sequences
def induction_gap(model, tokens):
    n = (tokens.shape[1] - 1) // 2
    losses = loss_by_token(model(tokens), tokens)
    gaps = (losses[:, 1:n].mean(1) - losses[:, n + 1 : 2 * n].mean(1)).numpy()
    rng = np.random.default_rng(0)
    means = rng.choice(gaps, (4000, len(gaps))).mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(gaps.mean()), float(low), float(high)
