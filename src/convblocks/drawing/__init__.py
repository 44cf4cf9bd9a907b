"""What is drawn of any module, from its trace.

op_labels.py  an op in words
repeats.py  which pieces follow each other unchanged
place.py    rows, lanes and lines
draw.py  the boxes, and the whole
"""

from convblocks.drawing.draw import FITS, outline

__all__ = ["FITS", "outline"]
