"""Repeated pieces of a chain, against trying everything."""

import random

from convblocks.drawing.repeats import repeats


def fewest(keys: str) -> int:
    """By trying everything, for a chain without branches."""
    best = [0] * (len(keys) + 1)
    for start in reversed(range(len(keys))):
        best[start] = 1 + best[start + 1]
        for size in range(1, len(keys) - start):
            end = start + size
            while keys[end : end + size] == keys[start : start + size]:
                end += size
                best[start] = min(best[start], size + best[end])
    return best[0]


def test_the_fewest_boxes_are_left():
    luck = random.Random(0)
    for _ in range(300):
        keys = "".join(luck.choice("ab") for _ in range(luck.randint(1, 14)))
        groups = repeats(["input", *keys], [[], *([i] for i in range(len(keys)))])
        assert len(keys) - sum((g.times - 1) * g.size for g in groups) == fewest(keys)
        for start, size, often in groups:
            assert keys[start - 1 :].startswith(keys[start - 1 :][:size] * often)


def test_a_piece_with_two_ways_in_or_out_is_no_piece():
    """Each of three pairs is read by the end too, so that one drawn pair would hide lines."""
    keys = ["input", *"ababab", "end"]
    chain = [[], *([i] for i in range(6))]
    assert repeats(keys, [*chain, [6]]) == [(1, 2, 3)]
    assert repeats(keys, [*chain, [2, 4, 6]]) == []
