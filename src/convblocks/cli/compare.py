"""``convblocks compare`` and ``convblocks report``."""

import shlex
import sys
from collections.abc import Callable, Mapping
from inspect import Parameter as Argument
from inspect import Signature
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from convblocks.cli.parse import flag_name
from convblocks.cli.question_file import read_question
from convblocks.cli.question_options import GROUPS, argument, values
from convblocks.cli.terminal import say
from convblocks.errors import OptionError
from convblocks.records import Loading, Machine, Question
from convblocks.records.option import RUN, Field, fields, updated

KEPT = "; what is finished is kept, and the same command goes on from there"

OLD_BUDGETS = {"budget_macs": "macs", "budget_params": "params", "budget_activations": "activations"}
"""Flags of before --budget, each with the --match it went with."""

DataArgument = Annotated[
    str | None,
    Parameter(
        help="Folder with a folder of images per class, or with images/ and masks/; .npz file; embedded set: digits, "
        "faces, textures, canvases; or a .toml file with these options. [default: digits; canvases to segment]"
    ),
]
OutArgument = Annotated[
    str | None,
    Parameter(help="Run folder.", group=GROUPS[RUN], metavar="DIR", show_default="runs/DATA-HASH"),
]
OldArgument = Annotated[str | None, Parameter(show=False, allow_leading_hyphen=True)]


def compare_command(question_class: type[Question] = Question) -> Callable[..., None]:
    """Returns the command whose options are the fields of the question, its data and its machine."""
    options = fields(question_class, Loading, Machine)

    def compare(data: DataArgument = None, /, out: OutArgument = None, **given: Any) -> None:
        """Train all implementations of a stack at a matched budget; recommend one.

        Lists the implementations, solves their widths so that all cost the same,
        trains each with the same recipe and paired seeds, and recommends one. The
        run folder gets the records, the weights, report.html and report.md. The
        same command again goes on where it was stopped.
        """
        file: dict[str, Any] = {}
        if data is not None and data.endswith(".toml") and not Path(data).is_dir():
            file = read_question(Path(data), options)
            data, of_file = file.pop("data", None), file.pop("out", None)
            out = of_file if out is None else out
        typed = {name: text for name, text in given.items() if text is not None}
        match = {**file, **typed}.get("match", question_class().match)
        texts = {**file, **_with_new_names(typed, match)}
        read = values(options, texts)
        try:
            question, machine = updated(question_class(), read), updated(Machine(), read)
            loading = {name: read[name] for name in fields(Loading) if name in read}
            _compare(data, question, machine, loading, out)
        except OptionError as error:
            field = options.get(error.option)
            if field is None or not field.option.reads or error.option not in texts:
                raise
            # 5M as it was typed
            raise OptionError(error.option, texts[error.option], error.expected) from error

    vars(compare)["__signature__"] = Signature(_arguments(options))
    return compare


def _arguments(options: Mapping[str, Field]) -> list[Argument]:
    """Returns the arguments of the command, in the order of its help."""
    of_run = [argument(field) for field in options.values() if field.option.group == RUN]
    return [
        Argument("data", Argument.POSITIONAL_ONLY, default=None, annotation=DataArgument),
        *(argument(field) for field in options.values() if field.option.group != RUN),
        Argument("out", Argument.KEYWORD_ONLY, default=None, annotation=OutArgument),
        *of_run,
        *(
            Argument(name, Argument.KEYWORD_ONLY, default=None, annotation=OldArgument)
            for name in OLD_BUDGETS
        ),
    ]


def _with_new_names(given: Mapping[str, Any], match: str) -> dict[str, Any]:
    """Returns the options that are typed, with --budget for each of its old names, and says so.

    Raises:
        OptionError: for an old name that does not go with --match, or comes beside --budget.
    """
    for name in OLD_BUDGETS.keys() & given.keys():
        if OLD_BUDGETS[name] != match:
            expected = f"goes with --match {OLD_BUDGETS[name]}, but --match is {match}"
            raise OptionError(name, given[name], expected)
        if "budget" in given:
            raise OptionError(name, given[name], "is an old name of --budget; give that alone")
        say(f"{flag_name(name)} is now --budget, in units of --match; the old name still works")
        given = {**given, "budget": given[name]}
    return {name: text for name, text in given.items() if name not in OLD_BUDGETS}


def _compare(
    data: str | None, question: Question, machine: Machine, loading: Mapping[str, Any], out: str | None
) -> None:
    from convblocks.cli.progress import ProgressWatcher
    from convblocks.cli.table import print_result
    from convblocks.experiments.compare import compare

    watcher, command = ProgressWatcher(), shlex.join(["convblocks", *sys.argv[1:]])
    try:
        with watcher:
            folder = compare(data, question, machine, out=out, watcher=watcher, command=command, **loading)
        print_result(folder)
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(*[KEPT] if watcher.trained else []) from interrupt


compare = compare_command()


def report(run: Path, /) -> None:
    """Print a run folder's table and recommendation, and write its report.html anew.

    Parameters
    ----------
    run
        Folder of a convblocks compare, finished or not.
    """
    from convblocks.cli.table import print_result
    from convblocks.runs.store import RunFolder
    from convblocks.statistics.answer import write_report

    folder = RunFolder(run)
    write_report(folder)
    print_result(folder)
