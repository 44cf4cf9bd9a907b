"""A folder with a user's code, in which the tests of targets run."""

from textwrap import dedent

import pytest

MODEL = """
    from torch import nn
    from sibling import WIDTH

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            from lazy_sibling import KERNEL
            self.conv = nn.Conv2d(3, WIDTH, KERNEL)

        def forward(self, x):
            return self.conv(x)

    class Needs(nn.Module):
        def __init__(self, in_channels, *more, classes, depth=3, **others):
            super().__init__()

    def make_model():
        return nn.Sequential(Small(), nn.ReLU())

    def reads_itself():
        layer = nn.Linear(2, 2)
        layer.weight[0, 0].item()
        return layer

    def breaks():
        return nn.Conv2d(4, 4, 3, groups=3)

    def leaves():
        raise SystemExit(3)

    def five():
        return 5

    small = Small()
    number = 5
    _hidden = 6
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "my_model.py").write_text(dedent(MODEL))
    (tmp_path / "code" / "sibling.py").write_text("WIDTH = 8\n")
    (tmp_path / "code" / "lazy_sibling.py").write_text("KERNEL = 3\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path
