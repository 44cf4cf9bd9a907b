"""The data set's hash covers all that a study sees."""

import numpy as np

from convblocks.data import Split, load_dataset
from convblocks.data.dataset import fingerprint


def test_the_hash_covers_values_labels_split_and_names(npz):
    x = np.random.default_rng(0).integers(0, 256, (30, 6, 6), dtype=np.uint8)
    y = np.arange(30) % 3

    def digest(x=x, y=y, **options):
        return load_dataset(npz(x=x, y=y), **options).card.sha256

    changed = x.copy()
    changed[17, 3, 3] ^= 1
    hashes = [
        digest(),
        digest(changed),
        digest(y=(y + 1) % 3),
        digest(y=y + 1),  # the same positions, other names
        digest(split_seed=1),
        digest(x.astype(np.float32)),
        digest(x.reshape(30, 36)),
    ]
    assert len(set(hashes)) == len(hashes)
    assert digest() == hashes[0]
    assert all(len(h) == 64 for h in hashes)


def test_the_hash_covers_labels_by_themselves():
    x = np.zeros((2, 1, 4), np.uint8)
    one, two = (fingerprint([Split(x, np.array(y))], ["a", "b"]) for y in ([0, 1], [1, 0]))
    assert one != two
