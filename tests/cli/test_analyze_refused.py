"""What ``convblocks analyze`` cannot use is one line that says what to do, and exit status 2."""

import pytest

from convblocks.cli import main
from tests.cli.models import MODELS

pytestmark = pytest.mark.usefixtures("folder")


def line(code: str) -> str:
    """Where in models.py it stands, as messages say it."""
    (number,) = (n for n, text in enumerate(MODELS.splitlines(), 1) if text.strip() == code)
    return f"models.py, line {number}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("gone.py:x --input 3x8x8", "gone.py:x: there is no file gone.py"),
        ("models.py:Nett --input 3x8x8", "did you mean 'Net'?"),
        ("gone --input 3x8x8", "'gone': there is nothing of that name; expected file.py:NAME"),
        ("gone.there:Net --input 3x8x8", "gone.there:Net: there is no Python module 'gone'"),
        ("zoo:resnet18 --input 1x64x64", "shape=(1, 1, 64, 64): the network takes (N, 3, …)"),
        ("zoo:", "zoo: needs a name, as in zoo:resnet50; it has alexnet, "),
        ("torchvision:resnet5", "did you mean 'resnet50'?"),
        ("models.py:Sized --input 3x8x8", "Sized needs width and depth; write a function without arguments"),
        ("models.py:Raises --input 3x8x8", line('raise RuntimeError("no weights today")') + ": no weights today"),
        ("models.py:count --input 3x8x8", "count() returned int, expected a torch.nn.Module"),
        ("models.py:x --input 3x8x8", "models.py:x: x is of type int, neither a torch.nn.Module nor"),
        ("syntax.py:make --input 3x8x8", "syntax.py, line 2: invalid syntax"),
        ("models.py:Two --input 3x8x8", "takes 2 inputs (image, tokens), got 1; give a size for each, and a dtype"),
        ("models.py:Two --input 3x8x8 --input 7 --input 7", "takes 2 inputs (image, tokens), got 3"),
        ("models.py:Two --input 3x8x8 --input 7", "at table in embedding(1×7, 10×8) (models.py, line "),
        ("models.py:Two --input 3x8x8 --input 7", "give each input's dtype, for indices 16:int64 at the command line"),
        (
            "models.py:small --input 3x32x32:int64",
            "weights: 3x32x32:float32 at the command line, dtypes=[torch.float32] in Python",
        ),
        ("models.py:Named --input 3x8x8", "its forward needs scale by name; wrap it"),
        ("models.py:Branches --input 3x8x8", line("return x if x.mean() > 0 else -x") + "): Tensor.item() cannot"),
        ("models.py:Branches --input 3x8x8", "take the branch by a shape or an option instead"),
        ("models.py:Picks --input 3x8x8", "asks for a tensor's values, which no trace has"),
        ("models.py:Fails --input 3x8x8", line('raise KeyError("stage7")') + "): KeyError 'stage7'"),
        ("models.py:small --input 3x6x6", "at 2 in conv2d(1×8×1×1, 8×8×3×3, 8): "),
        ("models.py:small --input 3x6x6", "; give a larger input"),
        ("models.py:small --input 1x32x32", "give the channels that this layer takes first"),
        ("models.py:Wide --input 3x9x9", "; in_features=243 in head, or an input of 3×8×8"),
        ("models.py:small", "--input: models.py:small does not say its input's size; give one, e.g. --input 3x224x224"),
        ("models.py:small --input 3x32x", "--input 3x32x: expected the axes of one input without the batch"),
        ("models.py:small --input 3x32x32:long", "--input 3x32x32:long: expected a dtype of float32, "),
        ("models.py:small --input 3x32x32 --depth none", "--depth none: expected a whole number of at least 1, or all"),
        ("models.py:small --input 3x32x32 --image x.png", "--image x.png: goes with --html"),
        ("models.py:small --input 3x32x32 --html x.html --image x.png", "x.png"),
        ("models.py:small --input 3x32x32 --html x.html --image models.py", "TIFF, WEBP): give another by --image"),
        ("models.py:small --input 3x32x32 --html .", "--html .: expected a file, e.g. x.html"),
        ("models.py:gone --html page.png", "--html page.png: is written as HTML; give page.html"),
        ("models.py:gone --html models.py/x.html", "models.py cannot be read or written: Not a directory"),
        ("models.py:half --input 3x8x8", "3x8x8:float16 at the command line, dtypes=[torch.float16] in Python"),
        ("nosuch/run:simple-d4", "nosuch/run:simple-d4: there is no folder nosuch/run"),
        ("models.py:small --input -3x4x4", "--input -3x4x4: expected the axes of one input"),
        ("models.py:small --input 100x1x12 --axes time,batch,features", "leave the batch out of the input: 100x12"),
        ("models.py:small --optimizer lion", "--optimizer lion: expected one of sgd, momentum"),
        ("models.py:small --input 3x32x32 --dept 2", "Did you mean --depth?"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_that_says_what_to_do(capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        main(["analyze", *arguments.split()])
    assert stopped.value.code == 2
    found = capsys.readouterr()
    assert found.out == ""
    (line,) = found.err.splitlines()
    assert line.startswith("convblocks: ")
    assert message in line
    assert len(line) < 480
