"""Data to compare networks on: folders of images, .npz files, and small sets that need no download.

    load_dataset ─→ a name       embedded.py  scikit-learn's and scikit-image's own samples
                 ├→ a folder     folder.py    listing.py finds the files, images.py reads one of them
                 │               masks.py     the same for images/ and masks/, a label map for each image
                 └→ an .npz      npz.py       arrays.py has their layout, labels.py their classes
    all three   ─→ split.py ─→ dataset.py     three parts of (x, y), and a card that says whence

NumPy arrays only: nothing here imports torch.
"""

from convblocks.data.dataset import Dataset, Split
from convblocks.data.load import load_again, load_dataset

__all__ = ["Dataset", "Split", "load_again", "load_dataset"]
