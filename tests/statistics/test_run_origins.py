"""Runs that were ended early, and runs of several machines."""

from msgspec.structs import replace

from convblocks.statistics.run_origins import origins
from convblocks.statistics.summary import summarise
from tests.made_records import make_design, make_latency, make_run, make_study

DESIGNS = [make_design("a"), make_design("b")]
RUNS = [make_run(design, seed, 0.9) for design in DESIGNS for seed in (0, 1, 2)]


def stopped(run):
    timing = replace(run.timing, epoch_s=run.timing.epoch_s[:1])
    return replace(run, epochs=run.epochs[:1], timing=timing, stopped=1)


def test_runs_that_were_ended_early_change_no_figure_and_are_listed():
    study = make_study()
    extra = replace(stopped(RUNS[0]), seed=3, validation_errors=tuple(range(300)), validation_score=0.25)
    with_extra = summarise(study, DESIGNS, [*RUNS, extra], [])
    without = summarise(study, DESIGNS, RUNS, [])
    assert with_extra.rows == without.rows
    assert with_extra.recommended == without.recommended
    *same, early = with_extra.paragraphs
    assert tuple(same) == without.paragraphs
    assert early.lead == "Ended early"
    assert "a-d8 with seed 3 after 1 epoch" in early.text


def test_a_study_of_runs_that_were_all_ended_early_has_no_row():
    summary = summarise(make_study(), DESIGNS, [stopped(run) for run in RUNS], [])
    assert (summary.recommended, summary.rows) == (None, ())
    assert [paragraph.lead for paragraph in summary.paragraphs] == ["Ended early"]


def test_runs_of_one_kind_of_machine_need_no_word():
    study = make_study()
    assert origins(study, RUNS) == ()  # of an earlier version, which recorded no host beside the study's
    assert origins(study, [replace(run, host=study.host) for run in RUNS]) == ()


def test_runs_of_several_kinds_of_machine_are_told():
    study = make_study()
    elsewhere = replace(study.host, cpu="Another (AVX512)")
    (machines,) = origins(study, [replace(RUNS[0], host=elsewhere), *RUNS[1:]])
    assert machines.lead == "Machines"
    assert study.host.cpu in machines.text
    assert "Another (AVX512)" in machines.text


def test_another_number_of_cores_is_the_same_kind_of_machine():
    study = make_study()
    assert origins(study, [replace(RUNS[0], host=replace(study.host, cores=99)), *RUNS[1:]]) == ()


def test_latencies_of_another_machine_are_told():
    study = make_study()
    elsewhere = replace(study.host, cpu="Another (AVX512)")
    timed = [replace(make_latency(design, 1.0), host=elsewhere) for design in DESIGNS]
    (machines,) = [p for p in summarise(study, DESIGNS, RUNS, timed).paragraphs if p.lead == "Machines"]
    assert "Another (AVX512)" in machines.text
    assert origins(study, RUNS, [replace(latency, host=study.host) for latency in timed]) == ()
    assert (
        origins(study, RUNS, [replace(latency, host=None) for latency in timed]) == ()
    )  # an earlier version's
