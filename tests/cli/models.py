"""A file of networks as a user might have it, good and bad."""

MODELS = '''
import torch
from torch import nn

class Net(nn.Module):
    """A stem, a stage of two layers, an op of its own and a head."""
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.stage = nn.Sequential(
            nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()),
            nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()),
        )
        self.scale = nn.Parameter(torch.ones(8))
        self.head = nn.Linear(8, 5)
    def forward(self, x):
        x = self.stem(x)
        x = self.stage(x) * self.scale.abs().reshape(1, -1, 1, 1) + x
        return self.head(x.mean((2, 3)))

def half():
    return nn.Conv2d(3, 8, 3).half()

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.conv = nn.Embedding(10, 8), nn.Conv2d(3, 8, 3)
    def forward(self, image, tokens):
        return self.conv(image).mean((2, 3)) + self.table(tokens).mean(1)

class Unknown(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)
    def forward(self, x):
        return self.second(torch.cummax(self.first(x), -1)[0])

class Sized(nn.Module):
    def __init__(self, width, depth):
        super().__init__()

class Branches(nn.Module):
    def forward(self, x):
        return x if x.mean() > 0 else -x

class Picks(nn.Module):
    def forward(self, x):
        return x[x > 0]

class Named(nn.Module):
    def forward(self, x, *, scale):
        return x * scale

class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3 * 64, 10)
    def forward(self, x):
        return self.head(x.flatten(1))

class Fails(nn.Module):
    def forward(self, x):
        raise KeyError("stage7")

class Raises(nn.Module):
    def __init__(self):
        raise RuntimeError("no weights today")

def small():
    return nn.Sequential(nn.Conv2d(3, 8, 5), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3))

def count():
    return 3

x = 3
'''
