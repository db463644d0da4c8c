import torch
from torch import nn


class Base(nn.Module):
    def __init__(self, W_enc, b_enc, W_dec, b_dec, k):
        super().__init__()
        self.W_enc, self.b_enc = nn.Parameter(W_enc.clone()), nn.Parameter(b_enc.clone())
        self.W_dec, self.b_dec = nn.Parameter(W_dec.clone()), nn.Parameter(b_dec.clone())
        self.k = k

    def encode(self, x):
        return topk((x - self.b_dec) @ self.W_enc + self.b_enc, self.k)

    def decode(self, latents):
        return latents @ self.W_dec + self.b_dec

    def forward(self, x):
        return self.decode(self.encode(x))

    def normalise_decoder(self):
        with torch.no_grad():
            for row in self.W_dec:
                if row.any():
                    row /= row.norm()


# %% wrong: b_dec is not taken off before encoding -> "take b_dec off"
class SparseAutoencoder(Base):
    def encode(self, x):
        return topk(x @ self.W_enc + self.b_enc, self.k)


# %% wrong: b_dec is not added back -> "the reconstruction is b_dec"
class SparseAutoencoder(Base):
    def decode(self, latents):
        return latents @ self.W_dec


# %% wrong: a ReLU instead of topk -> "does encode use topk"
class SparseAutoencoder(Base):
    def encode(self, x):
        return ((x - self.b_dec) @ self.W_enc + self.b_enc).relu()


# %% wrong: the encoder's bias comes after topk -> "more than k latents"
class SparseAutoencoder(Base):
    def encode(self, x):
        return topk((x - self.b_dec) @ self.W_enc, self.k) + self.b_enc


# %% wrong: decodes with the encoder's transpose -> "with W_dec as it is"
class SparseAutoencoder(Base):
    def decode(self, latents):
        return latents @ self.W_enc.T + self.b_dec


# %% wrong: forward returns the latents -> "should be the decoded latents"
class SparseAutoencoder(Base):
    def forward(self, x):
        return self.encode(x)


# %% wrong: columns are normalised -> "rows are latents"
class SparseAutoencoder(Base):
    def normalise_decoder(self):
        with torch.no_grad():
            self.W_dec /= self.W_dec.norm(dim=0, keepdim=True)


# %% wrong: rows of zeros become nan -> "nan"
class SparseAutoencoder(Base):
    def normalise_decoder(self):
        with torch.no_grad():
            self.W_dec /= self.W_dec.norm(dim=1, keepdim=True)


# %% wrong: an epsilon makes short rows too short -> "no epsilon is added"
class SparseAutoencoder(Base):
    def normalise_decoder(self):
        with torch.no_grad():
            self.W_dec /= self.W_dec.norm(dim=1, keepdim=True) + 1e-6


# %% wrong: the encoder is normalised as well -> "leave W_enc"
class SparseAutoencoder(Base):
    def normalise_decoder(self):
        super().normalise_decoder()
        with torch.no_grad():
            self.W_enc /= self.W_enc.norm(dim=0, keepdim=True)


# %% wrong: one length for the whole matrix -> "length 1"
class SparseAutoencoder(Base):
    def normalise_decoder(self):
        with torch.no_grad():
            self.W_dec /= self.W_dec.norm()


# %% right: row by row
class SparseAutoencoder(Base):
    pass


# %% right: einsum and data
class SparseAutoencoder(Base):
    def encode(self, x):
        pre = torch.einsum("...d,dn->...n", x - self.b_dec, self.W_enc) + self.b_enc
        index = pre.topk(self.k, dim=-1).indices
        mask = torch.zeros_like(pre).scatter(-1, index, 1.0)
        return pre.relu() * mask

    def normalise_decoder(self):
        length = self.W_dec.data.norm(dim=1, keepdim=True)
        length[length == 0] = 1
        self.W_dec.data.div_(length)
