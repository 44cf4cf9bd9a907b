"""A fixed sample of every family of timm: no crash, exact parameters, every op known, the output's field known.

benchmarks/sweep.py does the same for all models.
"""

import warnings

import pytest

from convblocks import analyze
from convblocks.targets import load_target
from convblocks.targets.zoos import with_operators

QUICK = """
    bat_resnext26ts beit_base_patch16_224 botnet26t_256 coatnet_0_224 convmixer_768_32 convnext_atto
    cpubone_t0 cspnext_l densenetblur121d dla34 dm_nfnet_f0 dpn48b eca_vovnet39b ecaresnet26t
    efficientformer_l1 efficientvim_m1 efficientvit_b0 efficientvit_m0 fasternet_t2 fastvit_t12
    gcvit_xxtiny ghostnet_050 gmixer_12_224 hardcorenas_a hgnet_base hiera_tiny_224 lcnetv2_small
    levit_128 lowformer_b0 pit_b_224 rdnet_tiny repghostnet_050 repvit_m0_9 res2next50 resnest14d
    resnetv2_18 rexnetr_300 samvit_base_patch16 sedarknet21 selecsls42 shvit_s1 skresnext50_32x4d
    starnet_s150 tf_mobilenetv3_small_minimal_100 tinynet_e vgg11 visformer_tiny
    vit_srelpos_small_patch16_224 vit_tiny_patch16_dinov3_qkvb xception41
"""
SLOW = """
    aimv2_1b_patch14_224 beitv2_large_patch16_224 caformer_b36 cait_m36_384 cait_xxs36_384
    coat_lite_medium coat_tiny convit_base convit_tiny convmixer_1536_20 cpubone_b0_bfrobust
    crossvit_9_240 crossvit_tiny_240 cs3darknet_focus_l csatv2 csatv2_21m cspnext_x davit_base davit_tiny
    deepseek_vit_412m deepseek_vit_412m_enc deit3_base_patch16_224 deit_tiny_patch16_224 densenet121
    dla169 dpn131 edgenext_base edgenext_xx_small efficientformer_l7 efficientformerv2_l
    efficientformerv2_s2 efficientnet_b0 efficientvim_m4_dist efficientvit_l3 efficientvit_m5
    eva02_base_patch14_224 fasternet_l fastvit_ma36 fbnetv3_b focalnet_base_lrf focalnet_xlarge_fl4
    gcvit_base gemma4_vit_167m gemma4_vit_570m_enc ghostnetv3_160 hardcorenas_f hgnetv2_b6 hiera_base_224
    hieradet_small hrnet_w18 hrnet_w64 iformer_h iformer_t inception_next_atto inception_next_tiny
    inception_resnet_v2 inception_v3 inception_v4 lcnetv2_base legacy_senet154 legacy_seresnext101_32x4d
    legacy_xception levit_conv_512d lowformer_e3 mambaout_base mobilenetv5_300m mobilenetv5_base
    mobilevit_s mobilevitv2_200 mvitv2_base mvitv2_tiny naflexvit_base_patch16_gap
    naflexvit_so400m_patch16_siglip nasnetalarge nest_base nest_tiny_jx nextvit_base nextvit_small
    pit_xs_distilled_224 pnasnet5large poolformerv2_s36 pvt_v2_b0 pvt_v2_b5 qwen3_vit_416m_merge
    qwen3_vit_88m rdnet_base regnetv_040 regnetz_040_h repghostnet_200 repvit_m3 res2net50_14w_8s
    resmlp_big_24_224 resnest269e resnetv2_152x4_bit rexnet_100 sam2_hiera_tiny samvit_large_patch16
    sehalonet33ts selecsls84 sequencer2d_l sequencer2d_s shvit_s4 skresnet18 starnet_s1 swiftformer_l1
    swiftformer_xs swin_base_patch4_window7_224 swin_tiny_patch4_window7_224 swinv2_base_window8_256
    swinv2_cr_base_224 swinv2_cr_tiny_ns_224 swinv2_tiny_window16_256 test_byobnet test_convnext3
    test_mambaout test_maxvit test_nfnet test_vit_relpos tiny_vit_21m_512 tiny_vit_5m_224
    tnt_b_patch16_224 tnt_s_patch16_224 tresnet_l tresnet_xl twins_pcpvt_base twins_svt_small vgg19_bn
    visformer_small vit_base_mci_224 vit_tiny_r_s16_p8_384 vit_xsmall_patch16_clip_224 vitamin_base_224
    vitamin_xlarge_384 volo_d1_224 volo_d5_512 vovnet57a wide_resnet101_2 xception71 xcit_large_24_p8_224
    xcit_tiny_24_p16_384
"""
NAMES = [
    *QUICK.split(),
    *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW.split()),
]


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_of_a_network_is_understood(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # timm's own, at import and of weights that are not there
        target = load_target(f"timm:{name}", on_meta=True)
    found = analyze(target.module, target.input_size or (3, 224, 224))
    assert found.params == sum(p.numel() for p in target.module.parameters())
    assert found.macs > 0
    assert found.unknown_ops == ()
    assert None not in found.receptive_field


def test_the_sample_is_of_every_family():
    timm = with_operators(lambda: __import__("timm"))
    sample = {*QUICK.split(), *SLOW.split()}
    families = {module: timm.list_models(module=module) for module in timm.list_modules()}
    assert [module for module, names in families.items() if sample.isdisjoint(names)] == []
