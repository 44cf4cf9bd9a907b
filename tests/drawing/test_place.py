"""Rows by the longest way, the main path by MACs, and branches in lanes that do not cross a box."""

import random

import pytest

from convblocks.drawing.place import Node, place


def test_a_chain_is_one_lane():
    nodes = [Node(str(i), [i - 1] if i else []) for i in range(4)]
    lines = place(nodes)
    assert [(node.row, node.lane) for node in nodes] == [(i, 0) for i in range(4)]
    assert [(line.start, line.end, line.lane) for line in lines] == [(0, 1, 0), (1, 2, 0), (2, 3, 0)]


def test_the_main_path_is_that_of_most_macs_and_a_shortcut_goes_beside_it():
    nodes = [Node("in", []), Node("conv", [0], macs=9), Node("conv", [1], macs=9), Node("add", [0, 2])]
    lines = place(nodes)
    assert [node.row for node in nodes] == [0, 1, 2, 3]
    assert [node.lane for node in nodes] == [0, 0, 0, 0]
    assert {(line.start, line.end): line.lane for line in lines} == {
        (0, 1): 0, (1, 2): 0, (2, 3): 0, (0, 3): 1,
    }  # fmt: skip


def test_branches_at_the_same_rows_have_lanes_of_their_own():
    nodes = [Node("in", []), *(Node("conv", [0], macs=m) for m in (1, 5, 2)), Node("cat", [1, 2, 3])]
    place(nodes)
    assert nodes[2].lane == 0
    assert sorted(node.lane for node in nodes[1:4]) == [0, 1, 2]


@pytest.mark.parametrize("seed", range(30))
def test_no_two_boxes_of_any_graph_stand_at_one_place(seed):
    luck = random.Random(seed)
    nodes = [Node("in", [])]
    for i in range(1, 40):
        before = {max(0, i - luck.randint(1, 5)) for _ in range(luck.choice((1, 1, 2)))}
        nodes += [Node("op", sorted(before), macs=luck.randrange(9))]
    place(nodes)
    assert len({(node.row, node.lane) for node in nodes}) == len(nodes)
    assert all(nodes[j].row < node.row for node in nodes for j in node.before)
