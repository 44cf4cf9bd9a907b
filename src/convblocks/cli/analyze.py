"""``convblocks analyze``: cost, memory and receptive field of any network, from one forward without data."""

import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from convblocks.cli.parse import levels, memory_size, output_file, require_axes, sized, whole
from convblocks.cli.terminal import write, write_json
from convblocks.errors import OptionError

if TYPE_CHECKING:
    from convblocks.records import Analysis, Finding, Outline

Whole = Annotated[int, Parameter(converter=whole)]
Flag = Annotated[bool, Parameter(negative=())]


def analyze(
    target: str,
    /,
    *,
    input: Annotated[list[str] | None, Parameter(negative=(), allow_leading_hyphen=True)] = None,  # noqa: A002 - the option's name
    axes: str | None = None,
    depth: str = "2",
    json: Flag = False,
    html: str | None = None,
    image: Path | None = None,
    batch: Whole | None = None,
    memory: str | None = None,
    optimizer: str | None = None,
    trust_code: Flag = False,
) -> None:
    """Cost, memory and receptive field of any network, layer by layer, without data.

    One forward pass is traced; the target is neither changed nor trained, and nothing is downloaded.

    Args:
        target: file.py:NAME, package.module:NAME, timm:NAME, torchvision:NAME, zoo:NAME, a network's .toml, or
            RUN:DESIGN.
        input: Size without the batch, e.g. 3x224x224 or 128:int64; repeat for several inputs. The target's own
            if it states one.
        axes: Names of the first input's axes, without the batch where that is first, e.g. time,channels or
            height,width,channels. What the network's layers show if not given.
        depth: How many module names deep the tree is unfolded: a number, or all.
        json: Print the record as JSON, and nothing else.
        html: Write a page with charts and the receptive fields drawn over an image to this file.
        image: The image that they are drawn over; a photograph of scikit-learn's if none is given.
        batch: Predict the memory of a training step of so many images too, part by part.
        memory: Find the largest batch whose training step fits in it too, e.g. 8GB or 24GiB.
        optimizer: That takes the step: sgd, which is the default, momentum, adam or adamw.
        trust_code: Allow a run folder or network file to import the classes it names.
    """
    unfolded = levels("depth", depth)
    held = None if memory is None else memory_size("memory", memory)
    given = [sized("input", text) for text in input or []]
    require_axes(axes)
    page = output_file("html", html, ".html", ".htm")

    from convblocks import advice, analysis
    from convblocks.cli.analysis_table import print_analysis
    from convblocks.cli.inputs import inputs_of
    from convblocks.cli.step import StepOptions, predict, print_step
    from convblocks.drawing import outline
    from convblocks.targets import load_target

    if image is not None and html is None:
        raise OptionError("image", image, "goes with --html, the page that it is drawn on")
    step = StepOptions(batch, held, optimizer)
    with redirect_stdout(sys.stderr):  # what the user's own code prints is not ours
        loaded = load_target(target, trust_code=trust_code, on_meta=True)
        sizes, dtypes = inputs_of(loaded, given)
        traced = analysis.trace(loaded.module, *sizes, dtypes=dtypes, axes=axes)
        record = analysis.analyze(traced)
        predicted = predict(step, traced)
        if page is not None:
            _write_page(page, record, advice.advise(traced), outline(traced), target, image)
    if json:
        write_json({**record.to_dict(), **predicted.to_dict()})
        return
    print_analysis(record, target, unfolded)
    print_step(predicted)
    if page is not None:
        write(f"\nPage: {page}\n")


def _write_page(
    file: Path,
    analysis: "Analysis",
    advice: "Sequence[Finding]",
    drawn: "Outline",
    target: str,
    image: Path | None,
) -> None:
    from convblocks.cli.picture import picture
    from convblocks.files import write as write_bytes
    from convblocks.measure import describe_host
    from convblocks.report.analysis_html import render_analysis

    page = render_analysis(
        analysis,
        target=target,
        command=shlex.join(["convblocks", *sys.argv[1:]]),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        host=describe_host(),
        picture=picture(image, (analysis.channels, *analysis.spatial_size)),
        outline=drawn,
        advice=advice,
    )
    write_bytes(file, page.encode())
