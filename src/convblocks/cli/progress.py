"""The progress of a compare on the terminal: runs done, time left, best so far."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Self

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from convblocks.cli.terminal import SafeConsole
from convblocks.engine.watcher import Watcher
from convblocks.formatting import count, percent
from convblocks.records import Design, Epoch, Run, Study
from convblocks.report.conditions import MATCHES, label_gaps
from convblocks.text import plural, times


class ProgressWatcher(Watcher):
    """A bar on a terminal; elsewhere, in a log, a line for each finished run."""

    def __init__(self) -> None:
        self.console = SafeConsole(stderr=True)
        self.progress = Progress(
            TextColumn("{task.fields[done]} runs"),
            BarColumn(bar_width=None),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("best {task.fields[best]}", markup=False),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.scores: dict[str, list[float]] = defaultdict(list)
        self.epochs_done: dict[tuple[str, int], int] = defaultdict(int)
        self.finished = self.total = self.epochs = 0
        self.metric = ""

    def on_reading(self, name: str) -> None:
        """Prints which data are read, on a terminal."""
        # in a log a refusal stays the only line
        if self.console.is_terminal:
            self.console.print(f"reading {name} …")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.progress.stop()

    @property
    def trained(self) -> bool:
        """True once a run has finished, now or before, or an epoch of one."""
        return self.finished > 0 or bool(self.epochs_done)

    def on_start(self, study: Study, designs: Sequence[Design], done: Sequence[Run]) -> None:
        """Prints the study, and starts the bar if anything is left to train."""
        trained = [d for d in designs if not d.problem]
        self.total, self.finished = len(trained) * len(study.seeds), len(done)
        self.metric = study.data.metric
        self.epochs = int(study.recipe["epochs"])
        self._introduce(study, designs, trained)
        for run in done:
            self.scores[run.design].append(run.validation_score)
        if self.finished < self.total:
            # an epoch's time grows with the stack's depth, so that weighs the bar
            weights = {d.name: d.stack_depth for d in trained}
            total = self.epochs * len(study.seeds) * sum(weights.values())
            spent = self.epochs * sum(weights.get(run.design, 0) for run in done)
            self.task = self.progress.add_task(
                "", total=total, completed=spent, done=self._done(), best=self._best()
            )
            self.progress.start()

    def _introduce(self, study: Study, designs: Sequence[Design], trained: Sequence[Design]) -> None:
        card, say = study.data, self.console.print
        say(
            f"{card.name}: {plural(len(card.classes), 'class', 'classes')}, {times(card.shape)}; "
            f"{card.train:,} training, {card.validation:,} validation, {card.test:,} test examples"
        )
        for note in card.notes:
            say(f"  {note}")
        if card.skipped:
            say(f"  left out: {plural(card.skipped, 'broken file')}")
        for term, text in label_gaps(card):
            say(f"  {term}: {text}")
        budget = (
            f"at {count(study.budget)} {MATCHES[study.match]} (± 3 %)"
            if study.budget
            else "at equal widths, unmatched"
        )
        seeds = f"{plural(len(study.seeds), 'seed')}{' each' if len(trained) > 1 else ''}"
        say(f"{plural(len(trained), 'design')} {budget}, {seeds}, {plural(study.stages, 'stage')}")
        for note in study.notes:
            say(f"  not possible: {note}")
        before, now = study.host.versions.get("torch"), str(torch.__version__)
        if before == now.partition("+")[0] != now:
            say(
                f"  begun with torch {before}, its build not recorded, and goes on with {now}: bits may differ"
            )
        for design in designs:
            if design.problem:
                say(f"  not matched: {design.name}: {design.problem}")
            if design.unknown_ops:
                say(f"  {design.name}: MACs are a lower bound, not counted: {', '.join(design.unknown_ops)}")

    def on_epoch(self, design: Design, seed: int, epoch: Epoch) -> None:  # noqa: ARG002
        """Moves the bar on."""
        self.epochs_done[design.name, seed] += 1
        self.progress.advance(self.task, design.stack_depth)

    def on_notice(self, text: str) -> None:
        """Prints a notice."""
        self.console.print(f"note: {text}", soft_wrap=True)

    def on_run(self, design: Design, run: Run) -> None:
        """Moves the bar on; in a log prints a line for the run."""
        self.finished += 1
        self.scores[run.design].append(run.validation_score)
        # resumed, or stopped early
        skipped = self.epochs - self.epochs_done.pop((run.design, run.seed), 0)
        self.progress.advance(self.task, skipped * design.stack_depth)
        self.progress.update(self.task, done=self._done(), best=self._best())
        if not self.console.is_terminal:
            score, seconds = percent(run.validation_score), sum(run.timing.epoch_s)
            self.console.print(
                f"{self._done()}: {run.design} seed {run.seed}, {score} validation {self.metric}, {seconds:.1f} s"
            )

    def _done(self) -> str:
        return f"{self.finished}/{self.total}"

    def _best(self) -> str:
        if not self.scores:
            return "—"
        means = {name: sum(scores) / len(scores) for name, scores in self.scores.items()}
        name = max(means, key=means.__getitem__)
        return f"{name} {percent(means[name])}"
