"""Values as people type them: amounts, sizes, shapes and lists."""

import pytest

from convblocks.cli import main
from convblocks.cli.parse import amount, flag, memory_size, names, numbers, shape, sized
from convblocks.errors import OptionError, Setting


def test_arguments_as_options():
    flags = [
        flag(Setting("depths", (8, 56))),
        flag(Setting("skip_broken", True)),
        flag(Setting("out", "a b")),
    ]
    assert flags == ["--depth 8,56", "--skip-broken", "--out 'a b'"]


@pytest.mark.parametrize(
    ("text", "value"), [("5M", 5_000_000), ("250k", 250_000), ("1.2G", 1_200_000_000), ("1_000", 1000)]
)
def test_amounts(text, value):
    assert amount("budget", text) == value


COMMAS = ["1,5M", "1,5", "1,50,000", "1,500k"]
ODD = [
    "",
    "M",
    "-5M",
    "5T",
    "nan",
    "inf",
    "5 M M",
    "1.5",
    "0.5",
    "1__0",
    "0x10",
    "+",
    "5MM",
    "1_00",
    "1.2345k",
]
FOREIGN = ["５M", "٣M", "5M\x1b[2J"]
HUGE = ["1e999999999", "1e-5", "9" * 5000]


@pytest.mark.parametrize("text", [*COMMAS, *ODD, *FOREIGN, *HUGE])
def test_no_amounts(text):
    with pytest.raises(OptionError, match="budget"):
        amount("budget", text)


@pytest.mark.parametrize(
    ("text", "value"), [("1,000", 1000), ("5 M", 5_000_000), ("1,234,567", 1_234_567), ("1e6", 10**6)]
)
def test_more_amounts(text, value):
    assert amount("budget", text) == value


@pytest.mark.parametrize(
    "text", ["9" * 400 + "GB", "0GB", "1e9GB", "nanGB", "1,5GB", "99999999999TB", "0.0001kB", "5"]
)
def test_no_memory_sizes(text):
    with pytest.raises(OptionError, match="memory"):
        memory_size("memory", text)


@pytest.mark.parametrize(
    "text", ["3x" + "9" * 5000, f"3x{2**62}x{2**62}", "3x1_0x10", "3x٣x3", "3x-8x8", "x", "3xx8"]
)
def test_no_shapes(text):
    for read in (shape, sized):
        with pytest.raises(OptionError, match="input"):
            read("input", text)


NUMERIC = {
    "compare": ["stages", "seeds", "epochs", "batch-size", "split-seed", "workers", "threads"],
    "analyze": ["batch"],
    "signal": ["batch-size", "seed", "learning-rate"],
    "probe": ["examples", "pool", "seed"],
    "code": ["stride", "out-channels"],
    "draw": ["stride", "out-channels"],
}


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1_0", "٣", "0x10", "", "9" * 5000, "1e5000", "1,5"])
@pytest.mark.parametrize(
    "option", [f"{name} --{option}" for name, found in NUMERIC.items() for option in found]
)
def test_odd_numbers_are_refused_for_every_option(option, text, capsys):
    """Before torch is imported, so all of them in no time."""
    command, name = option.split()
    with pytest.raises(SystemExit) as left:
        main([command, "digits", f"{name}={text}"])
    assert left.value.code == 2
    line = capsys.readouterr().err
    assert line.startswith(f"convblocks: {name} ")
    assert "expected a " in line
    assert line.count("\n") == 1
    assert len(line) < 500


def test_lists():
    assert numbers("groups", "1, 8") == [1, 8]
    assert names("families", " simple, residual ") == ["simple", "residual"]
    assert names("families", "wide(kernels=B(3,1,3),dropout=0.3),simple") == [
        "wide(kernels=B(3,1,3),dropout=0.3)",
        "simple",
    ]
