"""A drawing goes to JSON and back, those of earlier versions without axes and repeats too."""

import msgspec

from convblocks.drawing import outline
from convblocks.networks.zoo import ZOO
from convblocks.records import Outline


def test_a_drawing_comes_back_equal():
    drawn = outline(ZOO["resnet50"]().build(), (3, 64, 64), fits=0)
    assert drawn.repeats
    assert msgspec.json.decode(msgspec.json.encode(drawn), type=Outline) == drawn


def test_a_drawing_of_an_earlier_version_is_read():
    text = '{"module":"Net","boxes":[{"text":"input","row":0,"lane":0}],"lines":[]}'
    drawn = msgspec.json.decode(text, type=Outline)
    assert (drawn.axes, drawn.repeats, drawn.boxes[0].joins) == ((), (), False)
