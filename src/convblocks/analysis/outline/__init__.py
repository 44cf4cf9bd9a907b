"""What is drawn of any module, from its trace.

words.py    an op in words
repeats.py  which pieces follow each other unchanged
place.py    rows, lanes and lines
outline.py  the boxes, and the whole
"""

from convblocks.analysis.outline.outline import FITS, outline

__all__ = ["FITS", "outline"]
