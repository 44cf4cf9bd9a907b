"""The docstring of a printed file: title, shapes, cost, receptive field, papers, command."""

import re
import textwrap
from typing import Any

from torch import nn

from convblocks.deploy.code.outputs import shape_text, shapes_text
from convblocks.records import Analysis

PAPER = re.compile(r"\(([^()]*\d{4}[^()]*(?:arXiv:[\d.]+|section|figure)[^()]*)\)")


def docstring(
    analysis: Analysis, module: nn.Module, output: Any, *, title: str, command: str, width: int
) -> str:
    """Returns the docstring, quotes and all.

    Args:
        analysis: of the module on one example.
        module: what the file has.
        output: what the module gives for a batch of them.
        title: the first line; the class's name where it is empty.
        command: what made the file; left out where it is empty.
        width: characters of a line.
    """
    lines = [title or type(module).__name__, ""]
    lines.append(f"shapes           {shape_text(analysis.input_size)} -> {shapes_text(output)}")
    lines.append(f"parameters       {analysis.params:,}")
    unknown = f", without {', '.join(analysis.unknown_ops)}" if analysis.unknown_ops else ""
    lines.append(f"MACs             {analysis.macs:,} for one example of this size{unknown}")
    spans = [
        "all" if axis == "all" else f"{axis[2] - axis[1] + 1:,}" for axis in analysis.receptive_field if axis
    ]
    if spans and len(spans) == len(analysis.receptive_field):
        extent = "the whole input" if set(spans) == {"all"} else " × ".join(spans)
        lines.append(f"receptive field  {extent}")
    for i, source in enumerate(_papers(module)):
        lines.append(f"{'' if i else 'source':<17}{source}")
    if command:
        lines += [
            "",
            *textwrap.wrap(f"Made by: {command}", width - 4, break_on_hyphens=False, break_long_words=False),
        ]
    text = "\n".join(lines).replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{text}\n"""'


def _papers(module: nn.Module) -> list[str]:
    """Returns the papers that the docstrings of its classes name, outermost first."""
    papers: dict[str, None] = {}
    for kind in dict.fromkeys(type(m) for m in module.modules()):
        if kind.__module__.partition(".")[0] == "torch":
            continue
        summary = " ".join((kind.__dict__.get("__doc__") or "").split("\n\n")[0].split())
        papers.update(dict.fromkeys(PAPER.findall(summary)))
    return list(papers)
