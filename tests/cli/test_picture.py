"""The image that receptive fields are drawn over."""

import re
from base64 import b64decode
from io import BytesIO

import pytest
from PIL import Image

from convblocks.cli.picture import PHOTOGRAPH, picture
from convblocks.errors import DataError
from tests.cli.test_analyze import printed

pytestmark = pytest.mark.usefixtures("folder")


def test_the_page_s_image_is_cut_to_the_input(capsys, folder):
    Image.new("RGB", (40, 20), (200, 0, 0)).save(folder / "red.png")
    printed(capsys, "models.py:Net", "--input", "3x16x12", "--html", "page.html", "--image", "red.png")
    html = (folder / "page.html").read_text()
    (uri,) = re.findall(r'href="data:image/png;base64,([^"]+)"', html)
    with Image.open(BytesIO(b64decode(uri))) as drawn:
        assert drawn.size == (12, 16)
        assert drawn.getpixel((6, 8)) == (200, 0, 0)
    assert "Image: red.png." in html
    assert picture(folder / "red.png", (3, 50)) is None
    with Image.open(BytesIO(b64decode(picture(None, (1, 9, 9)).uri.partition(",")[2]))) as grey:
        assert grey.mode == "L"


def test_without_a_file_it_is_the_photograph_and_a_broken_file_is_refused(folder):
    shown = picture(None, (3, 8, 8))
    assert shown.caption == PHOTOGRAPH
    (folder / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="broken"):
        picture(folder / "broken.png", (3, 8, 8))
