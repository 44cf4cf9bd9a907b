"""Worker processes: what they send, and how they end."""

import multiprocessing
import os
import signal
import threading
import time

import pytest
import torch
from msgspec.structs import replace

from convblocks.engine.contracts import EpochEnded, Notice, RunEnded, StopCheck, Trial
from convblocks.engine.local_processes import LocalProcesses, _interrupts_held
from convblocks.errors import RunError
from tests.made_records import make_design, make_run

DESIGN = make_design("a")
TRIALS = [Trial(DESIGN, seed) for seed in (1, 2, 3)]


def two_epochs(trial, listener):
    """Stops after the first epoch if it may not go on; its run says whether it did."""
    run = make_run(trial.design, trial.seed, 0.9)
    listener.on_notice(f"seed {trial.seed}")
    listener.on_epoch(run.epochs[0])
    if listener.should_stop(run.epochs[:1]):
        return replace(run, stopped=1)
    listener.on_epoch(run.epochs[1])
    return run


def fall_over(trial, listener):
    raise ValueError(f"seed {trial.seed}")


def crash(trial, listener):
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # pytest's fault handler would tell of it
    os.kill(os.getpid(), signal.SIGSEGV)


def killed(trial, listener):
    os.kill(os.getpid(), signal.SIGKILL)


def vanish(trial, listener):
    os._exit(3)


def events(work, trials=TRIALS, *, workers=1, threads=1, cancelled=()):
    """All events of the trials, each submitted as soon as a place is free."""
    waiting, happened = list(trials), []
    with LocalProcesses(work, workers=workers, threads=threads) as pool:
        while pool.free and waiting:
            pool.submit(waiting.pop(0))
        for event in pool.events():
            happened.append(event)
            if isinstance(event, StopCheck) and event.trial.seed in cancelled:
                pool.cancel(event.trial)
            if isinstance(event, RunEnded) and waiting:
                pool.submit(waiting.pop(0))
    return happened


@pytest.mark.parametrize("workers", [1, 2])
def test_events_arrive_with_their_trial_in_its_order(workers):
    happened = events(two_epochs, workers=workers)
    for trial in TRIALS:
        run = make_run(DESIGN, trial.seed, 0.9)
        assert [event for event in happened if event.trial == trial] == [
            Notice(trial, f"seed {trial.seed}"),
            EpochEnded(trial, run.epochs[0]),
            StopCheck(trial, run.epochs[:1]),
            EpochEnded(trial, run.epochs[1]),
            RunEnded(trial, run),
        ]


def test_the_trial_that_is_cancelled_stops_and_no_other_does():
    runs = {e.trial.seed: e.run for e in events(two_epochs, cancelled={2}) if isinstance(e, RunEnded)}
    assert {seed: run.stopped for seed, run in runs.items()} == {1: 0, 2: 1, 3: 0}


def threads_here(trial, listener):
    listener.on_notice(f"{torch.get_num_threads()} {os.environ['OMP_NUM_THREADS']}")
    return make_run(trial.design, trial.seed, 0.9)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_worker_has_the_threads_it_was_given(threads):
    notice, _ = events(threads_here, TRIALS[:1], threads=threads)
    assert notice.text == f"{threads} {threads}"


def test_an_error_in_a_worker_is_raised_here_and_no_worker_stays():
    with pytest.raises(ValueError, match="seed 1"):
        events(fall_over, TRIALS[:1])
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_is_one_clear_line():
    with pytest.raises(RunError, match="a worker process died"):
        events(vanish, TRIALS[:2])


def test_a_worker_that_crashes_is_told_from_one_that_lacks_memory():
    with pytest.raises(RunError, match=r"a worker process crashed \(SIGSEGV\) in compiled code"):
        events(crash, TRIALS[:1])
    with pytest.raises(RunError, match="perhaps for want of memory"):
        events(killed, TRIALS[:1])


def one_then_dawdle(trial, listener):
    if trial.seed > 1:
        time.sleep(600)
    return make_run(trial.design, trial.seed, 0.9)


def interrupted():
    with LocalProcesses(one_then_dawdle, workers=2, threads=1) as pool:
        pool.submit(TRIALS[0])
        pool.submit(TRIALS[1])
        for _ in pool.events():
            raise KeyboardInterrupt


def test_an_interrupt_does_not_wait_for_the_workers():
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - started < 300
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_that_another_thread_takes_waits_until_the_workers_have_started(number):
    """A mask holds it back from one thread alone, while Python runs its handler in the main thread."""

    def stop(*_):
        raise KeyboardInterrupt

    may_send, started = threading.Event(), []
    other = threading.Thread(target=lambda: (may_send.wait(), signal.raise_signal(number)))
    other.start()  # before the mask, which it would inherit
    before = signal.signal(number, stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            _start_while_held(may_send, other, started)
        assert started == [True]
        assert signal.getsignal(number) is stop
    finally:
        signal.signal(number, before)
        may_send.set()


def _start_while_held(may_send, other, started):
    with _interrupts_held():
        may_send.set()
        other.join()
        started.append(True)
