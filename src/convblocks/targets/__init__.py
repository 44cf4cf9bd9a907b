"""The module that a command's TARGET names.

load_target ─→ file.py:NAME, package.module:NAME    user_code.py   a function, a class or a module of yours
            ├→ timm:NAME, torchvision:NAME          zoos.py        with random weights: nothing is downloaded
            └→ zoo:NAME, network.toml, RUN:DESIGN   resolve.py     a paper's network, a spec, a trained design
"""

from convblocks.targets.resolve import load_target
from convblocks.targets.target import Target

__all__ = ["Target", "load_target"]
