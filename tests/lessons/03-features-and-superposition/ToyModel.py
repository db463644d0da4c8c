import torch
from torch import nn


class Base(nn.Module):
    def __init__(self, W, b):
        super().__init__()
        self.W = nn.Parameter(W.clone())
        self.b = nn.Parameter(b.clone())

    def hidden(self, x):
        return torch.einsum("bif,ifd->bid", x, self.W)

    def scores(self, x):
        return torch.einsum("bid,ifd->bif", self.hidden(x), self.W)


# %% wrong: no ReLU -> "returns ReLU(x - 0.4)"
class ToyModel(Base):
    def forward(self, x):
        return self.scores(x) + self.b


# %% wrong: forgets the bias -> "returns ReLU(x - 0.4)"
class ToyModel(Base):
    def forward(self, x):
        return self.scores(x).relu()


# %% wrong: the bias is added after the ReLU -> "returns ReLU(x - 0.4)"
class ToyModel(Base):
    def forward(self, x):
        return self.scores(x).relu() + self.b


# %% wrong: a ReLU on the hidden layer as well -> "the ReLU comes at the end"
class ToyModel(Base):
    def hidden(self, x):
        return super().hidden(x).relu()

    def forward(self, x):
        return (self.scores(x) + self.b).relu()


# %% wrong: every instance uses the weights of the first -> "instance by instance"
class ToyModel(Base):
    def hidden(self, x):
        return x @ self.W[0]

    def forward(self, x):
        return (self.hidden(x) @ self.W[0].T + self.b).relu()


# %% wrong: the weights are summed over instances when reading -> "answer the same alone"
class ToyModel(Base):
    def forward(self, x):
        return (torch.einsum("bid,jfd->bif", self.hidden(x), self.W) + self.b).relu()


# %% wrong: unit vectors read back -> "ReLU(x W Wᵀ + b)"
class ToyModel(Base):
    def forward(self, x):
        unit = self.W / self.W.norm(dim=-1, keepdim=True)
        return (torch.einsum("bid,ifd->bif", self.hidden(x), unit) + self.b).relu()


# %% wrong: detached -> "carry gradients"
class ToyModel(Base):
    def forward(self, x):
        return (self.scores(x) + self.b).relu().detach()


# %% wrong: returns the input -> "returns ReLU(x - 0.4)"
class ToyModel(Base):
    def forward(self, x):
        return x.clone()


# %% wrong: nothing comes back -> "is there a `return`"
class ToyModel(Base):
    def forward(self, x):
        (self.scores(x) + self.b).relu()


# %% right: batched matrix products
class ToyModel(nn.Module):
    def __init__(self, W, b):
        super().__init__()
        self.W = nn.Parameter(W.clone())
        self.b = nn.Parameter(b.clone())

    def hidden(self, x):
        return (x.transpose(0, 1) @ self.W).transpose(0, 1)

    def forward(self, x):
        scores = (self.hidden(x).transpose(0, 1) @ self.W.mT).transpose(0, 1)
        return torch.clamp(scores + self.b, min=0)


# %% right: a loop over instances
class ToyModel(nn.Module):
    def __init__(self, W, b):
        super().__init__()
        self.W = nn.Parameter(W.clone())
        self.b = nn.Parameter(b.clone())

    def hidden(self, x):
        return torch.stack([x[:, k] @ self.W[k] for k in range(len(self.W))], dim=1)

    def forward(self, x):
        h = self.hidden(x)
        return torch.stack([torch.relu(h[:, k] @ self.W[k].T + self.b[k]) for k in range(len(self.W))], dim=1)
