"""The three blocks as they are widely written by hand, with the defaults of torch and one padding for all."""

from torch import nn


class SimpleBlock(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3, stride=1, padding=1, depth=3):
        super().__init__()
        layers = []
        for i in range(depth):
            given = in_channels if i == 0 else out_channels
            layers.append(nn.Conv2d(given, out_channels, kernel_size, stride, padding))
            layers.append(nn.BatchNorm2d(out_channels))
            layers.append(nn.ReLU(inplace=True))
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


def shortcut(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Sequential()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride), nn.BatchNorm2d(out_channels)
    )


class ResidualBlock(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3, stride=1, padding=1, depth=2):
        super().__init__()
        layers = []
        for i in range(depth):
            given, step = (in_channels, stride) if i == 0 else (out_channels, 1)
            layers.append(nn.Conv2d(given, out_channels, kernel_size, step, padding))
            layers.append(nn.BatchNorm2d(out_channels))
            if i < depth - 1:
                layers.append(nn.ReLU(inplace=True))
        self.layers = nn.Sequential(*layers)
        self.shortcut = shortcut(in_channels, out_channels, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.layers(x)
        out += self.shortcut(x)
        return self.relu(out)


class BottleneckBlock(nn.Module):
    def __init__(self, in_channels, out_channels, expansion=4, kernel_size=3, stride=1, padding=1):
        super().__init__()
        width = out_channels // expansion
        self.conv1, self.bn1 = nn.Conv2d(in_channels, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, kernel_size, stride, padding), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, out_channels, 1), nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = shortcut(in_channels, out_channels, stride)

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + self.shortcut(x))


def simple_strided():
    return SimpleBlock(16, 32, stride=2)


def residual_with_kernel_5():
    return ResidualBlock(16, 32, kernel_size=5)


def deep_and_narrow():
    layers = []
    for _ in range(24):
        layers += [nn.Conv2d(4, 4, kernel_size=3, padding=1), nn.Tanh()]
    return nn.Sequential(*layers)
