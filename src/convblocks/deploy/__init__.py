"""Ways out of convblocks.

code/  a module as a file of PyTorch code that stands alone
"""
