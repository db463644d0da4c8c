import torch
from scipy.optimize import linear_sum_assignment


def cosines(learned, true):
    unit = lambda rows: rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return (unit(true) @ unit(learned).T).abs()


def pair(matrix):
    feature, latent = (torch.as_tensor(part) for part in linear_sum_assignment(matrix.numpy(), maximize=True))
    index, value = torch.full((len(matrix),), -1), torch.zeros(len(matrix))
    index[feature], value[feature] = latent, matrix[feature, latent]
    return index, value


# %% wrong: the nearest row, whoever has it already -> "one feature only"
def dictionary_match(learned, true):
    value, index = cosines(learned, true).max(1)
    return index, value


# %% wrong: the best pair first -> "best pairing"
def dictionary_match(learned, true):
    matrix = cosines(learned, true).clone()
    index, value = torch.full((len(true),), -1), torch.zeros(len(true))
    for _ in range(min(matrix.shape)):
        feature, latent = divmod(int(matrix.argmax()), matrix.shape[1])
        index[feature], value[feature] = latent, matrix[feature, latent]
        matrix[feature], matrix[:, latent] = -1, -1
    return index, value


# %% wrong: signs matter -> "sign and length"
def dictionary_match(learned, true):
    unit = lambda rows: rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return pair(unit(true) @ unit(learned).T)


# %% wrong: dot products instead of cosines -> "match perfectly"
def dictionary_match(learned, true):
    return pair((true @ learned.T).abs())


# %% wrong: rows of zeros give nan -> "nan"
def dictionary_match(learned, true):
    unit = lambda rows: rows / rows.norm(dim=1, keepdim=True)
    return pair((unit(true) @ unit(learned).T).abs().nan_to_num(2.0))


# %% wrong: the features of each row -> "should be true feature i"
def dictionary_match(learned, true):
    return pair(cosines(true, learned))


# %% wrong: minimises -> "should be true feature i"
def dictionary_match(learned, true):
    feature, latent = (
        torch.as_tensor(part) for part in linear_sum_assignment(cosines(learned, true).numpy())
    )
    index, value = torch.full((len(true),), -1), torch.zeros(len(true))
    index[feature], value[feature] = latent, cosines(learned, true)[feature, latent]
    return index, value


# %% wrong: in the order given -> "should be true feature i"
def dictionary_match(learned, true):
    return torch.arange(len(true)), torch.ones(len(true))


# %% wrong: features without a row are left out -> "fewer rows than features"
def dictionary_match(learned, true):
    matrix = cosines(learned, true)
    feature, latent = (torch.as_tensor(part) for part in linear_sum_assignment(matrix.numpy(), maximize=True))
    return latent, matrix[feature, latent]


# %% right: costs are negative cosines
def dictionary_match(learned, true):
    matrix = cosines(learned, true)
    feature, latent = linear_sum_assignment(-matrix.numpy())
    index, value = [-1] * len(true), [0.0] * len(true)
    for i, j in zip(feature, latent):
        index[i], value[i] = int(j), float(matrix[i, j])
    return torch.tensor(index), torch.tensor(value)


# %% right: torch's own normalisation, transposed problem
def dictionary_match(learned, true):
    a, b = torch.nn.functional.normalize(learned, dim=1), torch.nn.functional.normalize(true, dim=1)
    latent, feature = linear_sum_assignment((a @ b.T).abs().numpy(), maximize=True)
    index, value = torch.full((len(true),), -1), torch.zeros(len(true))
    index[torch.as_tensor(feature)] = torch.as_tensor(latent)
    value[torch.as_tensor(feature)] = (a @ b.T).abs()[torch.as_tensor(latent), torch.as_tensor(feature)]
    return index, value
