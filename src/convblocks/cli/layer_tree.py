"""The layers of an analysis as a tree by module path, each node with what its layers cost together."""

from dataclasses import dataclass, field

from convblocks.records import Analysis, Layer
from convblocks.text import shown


@dataclass
class Node:
    """A module, or one op in it; `layers` are those within, in order of execution."""

    name: str  # the last piece of its path; with () for an op
    type: str  # its class; empty for an op, and for a container that is not called itself
    layers: list[Layer] = field(default_factory=list)
    children: dict[str, "Node"] = field(default_factory=dict)

    @property
    def output(self) -> Layer:
        """The layer whose output is the node's."""
        return self.layers[-1]

    def total(self, figure: str) -> int:
        """Returns the sum of one figure of its layers, such as macs."""
        return sum(getattr(layer, figure) for layer in self.layers)

    @property
    def unproductive(self) -> tuple[int, int]:
        """Numbers of its layers with MACs: the unproductive ones, and all whose productivity is known."""
        marks = [layer.productive for layer in self.layers if layer.macs and layer.productive is not None]
        return marks.count(False), len(marks)


def tree(analysis: Analysis) -> Node:
    """Returns the tree, with the whole module as its root."""
    types = {part.name: part.type for part in analysis.parts}
    root = Node("", shown(analysis.module))
    for layer in analysis.layers:
        nodes, path = [root], ""
        for piece in layer.name.split(".") if layer.name else []:
            path = f"{path}.{piece}" if path else piece
            nodes.append(nodes[-1].children.setdefault(piece, Node(shown(piece), shown(types.get(path, "")))))
        if types.get(layer.name) != layer.type:
            siblings = nodes[-1].children
            siblings[f"call {len(siblings)}"] = Node(
                f"{shown(layer.type)}()", ""
            )  # each call where it happens
            nodes.append(siblings[f"call {len(siblings) - 1}"])
        for node in nodes:
            node.layers.append(layer)
    return root
