"""A module as a file of PyTorch code that stands alone.

file.py           module_code: the whole text, formatted and verified
instances.py      modules of classes that are not PyTorch's, each with its methods
specialise.py     a method rewritten for one instance, from its static_values.py
definitions.py    imports, constants and functions that the methods need
classes.py        instances in groups, one class of the file for each
parameters.py     the constructor's parameters: variables.py, and what is derived.py from others
node.py           calls that make modules and tensors; leaves.py reads them off PyTorch's
class_text.py     the text of a class, its methods by inline.py, its zero_init.py
docstring.py      shapes, cost and papers of the module, by its outputs.py
main_function.py  the end of each file: weights and a first run
verification.py   the file's module against ours, to the bit
"""

from convblocks.deploy.code.file import module_code

__all__ = ["module_code"]
