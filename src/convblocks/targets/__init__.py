"""What a command's TARGET names, as a module.

load_target ─→ file.py:NAME, package.module:NAME    code.py   a function, a class or a module of yours
            ├→ timm:NAME, torchvision:NAME          zoos.py   without weights: nothing is downloaded
            └→ zoo:NAME, network.toml, RUN:DESIGN   load.py   a paper's network, a spec, or what a compare trained
"""

from convblocks.targets.resolve import load_target
from convblocks.targets.target import Target

__all__ = ["Target", "load_target"]
