"""Small video networks with random weights, of the ten architectures that are known by name.

Those of transformers are tiny, so are the MViT and the Swin; the others are torchvision's own, at small clips.
This module imports torch and torchvision; `of_transformers` imports transformers, which takes ten seconds.
"""

from typing import NamedTuple

import torch
from torch import nn

CLASSES = 5
TORCHVISION = ("r3d_18", "mc3_18", "r2plus1d_18", "s3d", "mvit_v2_s", "swin3d_t")
TRANSFORMERS = ("videomae", "timesformer", "vivit", "vjepa2")
_COMMON = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


class Tiny(NamedTuple):
    """A network in evaluation mode, and the clips that it takes: T frames of S pixels."""

    module: nn.Module
    num_frames: int
    size: int


def of_torchvision(name: str, num_classes: int = CLASSES, seed: int = 0) -> Tiny:
    """Build a network of torchvision's kind: the MViT and the Swin small, the others as they are."""
    from torchvision.models import video

    torch.manual_seed(seed)
    if name == "mvit_v2_s":
        from torchvision.models.video import MViT
        from torchvision.models.video.mvit import MSBlockConfig

        blocks = [
            MSBlockConfig(1, 16, 32, [3, 3, 3], [3, 3, 3], [1, 1, 1], [1, 4, 4]),
            MSBlockConfig(2, 32, 32, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 2, 2]),
        ]
        module: nn.Module = MViT(
            spatial_size=(32, 32), temporal_size=8, block_setting=blocks, residual_pool=True,
            residual_with_cls_embed=False, rel_pos_embed=True, proj_after_attn=True, num_classes=num_classes,
        )  # fmt: skip
        return Tiny(module.eval(), 8, 32)
    if name == "swin3d_t":
        from torchvision.models.video import SwinTransformer3d

        module = SwinTransformer3d(
            patch_size=[2, 4, 4], embed_dim=12, depths=[1, 1], num_heads=[2, 2], window_size=[2, 4, 4],
            num_classes=num_classes,
        )  # fmt: skip
        return Tiny(module.eval(), 8, 64)
    frames, size = (16, 224) if name == "s3d" else (8, 56)
    return Tiny(getattr(video, name)(num_classes=num_classes).eval(), frames, size)


def of_transformers(name: str, num_classes: int = CLASSES, seed: int = 0) -> Tiny:
    """Build a tiny network of transformers' kind: 8 frames of 32 pixels, patches of 8, two layers."""
    import transformers

    torch.manual_seed(seed)
    common = {**_COMMON, "num_labels": num_classes}
    if name == "videomae":
        config = transformers.VideoMAEConfig(image_size=32, patch_size=8, num_frames=8, **common)
        module = transformers.VideoMAEForVideoClassification(config)
    elif name == "timesformer":
        config = transformers.TimesformerConfig(image_size=32, patch_size=8, num_frames=8, **common)
        module = transformers.TimesformerForVideoClassification(config)
    elif name == "vivit":
        config = transformers.VivitConfig(image_size=32, num_frames=8, tubelet_size=[2, 8, 8], **common)
        module = transformers.VivitForVideoClassification(config)
    else:
        config = transformers.VJEPA2Config(
            hidden_size=48, num_hidden_layers=2, num_attention_heads=4, mlp_ratio=2, num_labels=num_classes,
            crop_size=32, patch_size=8, frames_per_clip=8, tubelet_size=2, pred_hidden_size=24,
            pred_num_attention_heads=2, pred_num_hidden_layers=1, num_pooler_layers=1,
        )  # fmt: skip
        module = transformers.VJEPA2ForVideoClassification(config)
    return Tiny(module.eval(), 8, 32)
