"""A module as a file of PyTorch code that stands alone.

instances.py ─→ classes.py ─→ file.py       which classes; one definition each; the text, checked
 specialise.py   parameters.py              a method for one instance; what differs between instances
 definitions.py  node.py, leaves.py         functions brought along; calls of PyTorch's modules
                 zero_init.py               what starts at zero
"""

from convblocks.deploy.code.file import module_code

__all__ = ["module_code"]
