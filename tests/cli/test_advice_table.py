"""Findings as linters print them, and the table of rules."""

from convblocks.advice import RULES
from convblocks.cli.advice_table import print_findings
from convblocks.records import Finding
from tests.cli.test_advise import STRIDED, advise

__all__ = ["advise"]


def test_findings_read_as_a_linter_s(advise):
    found = advise(STRIDED, "--input", "16x28x28")
    assert (found.returncode, found.stderr) == (1, "")
    lines = found.stdout.splitlines()
    assert lines[0].startswith("layers.0: CB101 warning its bias of 32 parameters does nothing")
    assert lines[3].startswith("    fix: bias=False")
    assert lines[4].startswith("layers: CB201 warning stride 2×2 in each of 3 convolutions")
    assert lines[-1] == "Found 4 warnings."


def test_many_places_of_one_rule_are_told_in_three(advise):
    network = "torchvision:vgg16_bn"
    short, long = (
        advise(network, "--input", "3x64x64", "--select", "CB101", *more) for more in ([], ["--all-places"])
    )
    assert (short.stdout.count("CB101"), long.stdout.count("CB101")) == (3, 13)
    assert "… and at 10 more places; --all-places shows them" in short.stdout
    assert short.stdout.splitlines()[-1] == long.stdout.splitlines()[-1] == "Found 13 warnings."


def test_the_rules_are_listed(advise):
    found = advise("--rules")
    assert found.returncode == 0
    assert all(rule.id in found.stdout for rule in RULES)


def test_findings_of_one_fix_share_its_line_and_the_whole_module_has_its_class_as_place(capsys):
    findings = [
        Finding(id="CB101", severity="note", place=place, message="m", fix=fix, figures={})
        for place, fix in (("a", "one"), ("b", "one"), ("", "two"))
    ]
    print_findings(findings, "Net", all_places=False)
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == [
        "a: CB101 note m", "b: CB101 note m", "fix: one", "Net: CB101 note m", "fix: two", "Found 3 notes.",
    ]  # fmt: skip
