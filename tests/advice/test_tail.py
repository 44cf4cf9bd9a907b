"""CB204: what removing the tail saves is what it saves, and what is no tail."""

from torch import nn

from convblocks import analyze, load_target
from tests.advice.test_waste import conv, found


def plain(*layers):
    return nn.Sequential(*layers)


def saved(before, after):
    return {"params": before.params - after.params, "macs": before.macs - after.macs}


def test_what_removing_the_tail_saves_is_what_it_saves():
    """Three 3×3 convolutions see 3, 5 and 7 pixels: on 5 × 5 the input of the third sees all."""
    layers = [plain(conv(bias=False), nn.BatchNorm2d(4), nn.ReLU()) for _ in range(5)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)]
    (finding,) = found(plain(*layers, *head), (4, 5, 5), rule="CB204")
    assert (finding.place, finding.severity, finding.figures["layers"]) == ("2.0", "warning", 3)
    less = saved(analyze(plain(*layers, *head), (4, 5, 5)), analyze(plain(*layers[:2], *head), (4, 5, 5)))
    assert {name: finding.figures[name] for name in less} == less
    assert found(plain(*layers[:2], *head), (4, 5, 5), rule="CB204") == ()
    assert found(plain(*layers, *head), (4, 12, 12), rule="CB204") == ()


def test_a_tail_goes_on_where_one_position_is_left():
    layers = [conv(stride=2), conv(stride=2), conv(stride=2), conv(), conv(), conv()]  # see 3, 7, 15 pixels
    head = [nn.AdaptiveAvgPool2d(1), conv(kernel=1)]
    (finding,) = found(plain(*layers, *head), (4, 8, 8), rule="CB204")
    assert (finding.place, finding.figures["layers"]) == ("3", 3)
    less = saved(analyze(plain(*layers, *head), (4, 8, 8)), analyze(plain(*layers[:3], *head), (4, 8, 8)))
    assert {name: finding.figures[name] for name in less} == less


def test_the_tail_of_resnet18_is_its_last_block():
    module = load_target("torchvision:resnet18", on_meta=True).module
    (finding,) = found(module, (3, 224, 224), rule="CB204")
    before = analyze(module, (3, 224, 224))
    module.layer4[1] = nn.Identity()
    less = saved(before, analyze(module, (3, 224, 224)))
    assert {name: finding.figures[name] for name in less} == less
    assert finding.severity == "note"  # past its shortcuts some inputs see less


def test_neither_a_decoder_nor_attention_is_a_tail():
    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = nn.ModuleList(plain(conv(stride=2), conv()) for _ in range(3))
            self.up = nn.ModuleList(nn.ConvTranspose2d(4, 4, 2, 2) for _ in range(3))
            self.last = plain(conv(), conv())

        def forward(self, x):
            kept = []
            for layer in self.down:
                kept.append(x)
                x = layer(x)
            for layer in self.up:
                x = layer(x) + kept.pop()
            return self.last(x)

    assert found(UNet(), (4, 16, 16), rule="CB204") == ()
    segmenting = plain(*[conv() for _ in range(5)], nn.Upsample(scale_factor=2))
    assert found(segmenting, (4, 5, 5), rule="CB204") == ()
    attention = load_target("torchvision:vit_b_16", on_meta=True).module
    assert found(attention, (3, 224, 224), rule="CB204") == ()


class Gated(nn.Module):
    """A convolution with squeeze-and-excitation (Hu et al. 2018)."""

    def __init__(self):
        super().__init__()
        self.conv, self.act, self.gate = conv(), nn.ReLU(), conv(kernel=1)

    def forward(self, x):
        x = self.act(self.conv(x))
        return x * self.gate(x.mean((2, 3), keepdim=True)).sigmoid()


def test_a_gate_belongs_to_the_layer_that_it_gates():
    blocks = [Gated() for _ in range(4)]
    (finding,) = found(plain(*blocks), (4, 5, 5), rule="CB204")
    assert (finding.place, finding.figures["layers"]) == ("2.conv", 4)
    less = saved(analyze(plain(*blocks), (4, 5, 5)), analyze(plain(*blocks[:2]), (4, 5, 5)))
    assert {name: finding.figures[name] for name in less} == less
