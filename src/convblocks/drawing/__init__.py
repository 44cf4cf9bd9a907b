"""The drawing of any module, from its trace.

op_labels.py  the text of an op, an input or an output
repeats.py    pieces that follow each other unchanged
place.py      rows, lanes and lines
draw.py       the boxes, and the whole
"""

from convblocks.drawing.draw import FITS, outline

__all__ = ["FITS", "outline"]
