"""Scratch memory of single ops: what a kernel takes while it runs and gives back."""

from convblocks.analysis.graph import Op
from convblocks.analysis.rules import CONVOLUTIONS, TRANSPOSED


def forward_workspace_bytes(op: Op) -> int:
    if op.name in CONVOLUTIONS or op.name in TRANSPOSED:
        return op.inputs[0].bytes + op.inputs[1].bytes + op.outputs[0].bytes
    return 0


def backward_workspace_bytes(op: Op) -> int:
    if op.name in CONVOLUTIONS or op.name in TRANSPOSED:
        return op.inputs[0].bytes + op.inputs[1].bytes + op.outputs[0].bytes
    return 0
