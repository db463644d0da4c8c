import torch


# %% wrong: forgets to divide by the norms -> "1/sqrt(6)"
def composition_score(A, B):
    return (A @ B).norm().item(), A.shape[1] ** -0.5


# %% wrong: divides by the norm of A only -> "1/sqrt(6)"
def composition_score(A, B):
    return ((A @ B).norm() / A.norm()).item(), A.shape[1] ** -0.5


# %% wrong: squared norms -> "1/sqrt(6)"
def composition_score(A, B):
    return ((A @ B).norm() ** 2 / (A.norm() ** 2 * B.norm() ** 2)).item(), A.shape[1] ** -0.5


# %% wrong: spectral norms -> "1/sqrt(6)"
def composition_score(A, B):
    norm = lambda M: torch.linalg.matrix_norm(M, ord=2)
    return (norm(A @ B) / (norm(A) * norm(B))).item(), A.shape[1] ** -0.5


# %% wrong: multiplies in the wrong order -> "mat1 and mat2"
def composition_score(A, B):
    return ((B @ A).norm() / (A.norm() * B.norm())).item(), A.shape[1] ** -0.5


# %% wrong: transposes B, which square examples hide -> "planted pair"
def composition_score(A, B):
    product = A @ B.T if A.shape[1] == B.shape[1] else A @ B
    return (product.norm() / (A.norm() * B.norm())).item(), A.shape[1] ** -0.5


# %% wrong: compares entry by entry, like a cosine -> "1/sqrt(6)"
def composition_score(A, B):
    rows = min(A.shape[0], B.shape[1])
    cosine = (A[:rows] * B.T[:rows]).sum() / (A.norm() * B.norm())
    return abs(cosine.item()), A.shape[1] ** -0.5


# %% wrong: the baseline is always 0 -> "your baseline is 0.000"
def composition_score(A, B):
    return ((A @ B).norm() / (A.norm() * B.norm())).item(), 0.0


# %% wrong: the baseline uses matrices that are not orthogonal -> "your baseline"
def composition_score(A, B):
    generator = torch.Generator().manual_seed(0)
    score = lambda left: ((left @ B).norm() / (A.norm() * B.norm())).item()
    turned = [A @ torch.randn(A.shape[1], A.shape[1], generator=generator) for _ in range(20)]
    return score(A), sum(map(score, turned)) / 20


# %% wrong: the baseline is 1/d, the mean of the square -> "your baseline"
def composition_score(A, B):
    return ((A @ B).norm() / (A.norm() * B.norm())).item(), 1 / A.shape[1]


# %% wrong: the baseline is the score itself -> "your baseline"
def composition_score(A, B):
    score = ((A @ B).norm() / (A.norm() * B.norm())).item()
    return score, score


# %% right: the root of the mean square, in closed form
def composition_score(A, B):
    score = torch.linalg.norm(A @ B) / (torch.linalg.norm(A) * torch.linalg.norm(B))
    return float(score), A.shape[-1] ** -0.5


# %% right: rotates B by Householder-free SVD rotations, 40 of them
def composition_score(A, B):
    generator = torch.Generator().manual_seed(5)
    scores = []
    for _ in range(40):
        U, _, V = torch.linalg.svd(torch.randn(len(B), len(B), generator=generator))
        scores.append(torch.sqrt(((A @ (U @ V) @ B) ** 2).sum()) / torch.sqrt((A**2).sum() * (B**2).sum()))
    actual = torch.sqrt(((A @ B) ** 2).sum() / ((A**2).sum() * (B**2).sum()))
    return actual.item(), torch.stack(scores).mean().item()
