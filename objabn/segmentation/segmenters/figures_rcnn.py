"""A small Mask R-CNN for the figures of the embedded data: torchvision's classes around a light backbone.

    network = figures_rcnn()                 # torchvision.models.detection.MaskRCNN, 0.8 M parameters
    losses = network(images, targets)        # as any of torchvision's, boxes in pixels of the image

Only one level of the pyramid proposes (stride 8, anchors of a figure's size) and the finest one feeds the mask head
(stride 4): a figure fills a third to four fifths of the rows, the other levels of torchvision's layout would find none.
Frames of 120 rows are enlarged and the masks have 40 x 40 cells, not 28 x 28: limbs are five pixels wide.

torchvision's RoIAlign takes pixel i to lie at coordinate i; for boxes that enclose pixels it lies at i + 0.5. At COCO's
size nobody sees that half pixel; here it moves every mask by a tenth of a limb (best possible union IoU of 40 x 40
cells on frames of 120 rows: 0.91 with it, 0.98 without, measured). So inside the network boxes are half a pixel less;
`transform` and `roi_heads` convert.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import Conv2dNormActivation, FeaturePyramidNetwork, MultiScaleRoIAlign

SHORT_EDGE = 192  # pixels, of the images that SIZES is for
SIZES = (64, 90, 116)  # square roots of the anchors' areas, pixels
RATIOS = (1.0, 1.8, 3.2)  # their heights over their widths
WIDTHS = (24, 32, 64, 96)  # channels at strides 2, 4, 8, 16
CHANNELS = 48  # of the pyramid
HIDDEN = 128  # of the box head
MASK_LAYERS = (48, 48, 48)
MASK_REDUCED = 24  # channels at the mask head's full resolution
MASK_ROI = 20  # cells; the masks have twice as many
PIXEL_CENTRE = 0.5  # pixels
FINE, COARSE = "fine", "coarse"  # strides 4 and 8


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Conv2dNormActivation(channels, channels)
        self.second = Conv2dNormActivation(channels, channels, activation_layer=None)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(self.first(x)))


class _Backbone(nn.Module):
    """Images (B, 3, H, W) to a pyramid: fine (B, CHANNELS, H / 4, W / 4), coarse (B, CHANNELS, H / 8, W / 8)."""

    def __init__(self) -> None:
        super().__init__()
        stem, *widths = WIDTHS
        self.stem = Conv2dNormActivation(3, stem, stride=2)
        before = [stem, *widths]
        self.stages = nn.ModuleList(
            nn.Sequential(Conv2dNormActivation(before[i], width, stride=2), _Residual(width))
            for i, width in enumerate(widths)
        )
        self.pyramid = FeaturePyramidNetwork(widths, CHANNELS)
        self.out_channels = CHANNELS

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.stem(x)
        levels = {}
        for name, stage in zip((FINE, COARSE, "context"), self.stages, strict=True):
            levels[name] = x = stage(x)
        pyramid = self.pyramid(levels)
        return {name: pyramid[name] for name in (FINE, COARSE)}


class _CoarseAnchors(AnchorGenerator):
    """Anchors of the coarse level only."""

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        return super().forward(image_list, feature_maps[1:])


class _CoarseHead(RPNHead):
    """Proposals of the coarse level only."""

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        return super().forward(x[1:])


def _to_centres(_: nn.Module, __: Any, output: tuple[ImageList, list[dict[str, Tensor]] | None]) -> Any:
    images, targets = output
    if targets is not None:
        targets = [{**target, "boxes": target["boxes"] - PIXEL_CENTRE} for target in targets]
    return images, targets


def _to_edges(_: nn.Module, __: Any, output: tuple[list[dict[str, Tensor]], dict[str, Tensor]]) -> Any:
    found, losses = output
    return [{**one, "boxes": one["boxes"] + PIXEL_CENTRE} if one else one for one in found], losses


def figures_rcnn(num_classes: int = 2, *, min_size: int = SHORT_EDGE, **settings: Any) -> MaskRCNN:
    """The untrained network; `settings` are those of `torchvision.models.detection.MaskRCNN`.

    Args:
        num_classes: the background included; 2 for persons only.
        min_size: images are resized so that their short edge has this many pixels.
    """
    defaults: dict[str, Any] = {
        "size_divisible": 16,
        "rpn_pre_nms_top_n_train": 400,
        "rpn_post_nms_top_n_train": 64,
        "rpn_pre_nms_top_n_test": 200,
        "rpn_post_nms_top_n_test": 30,
        "rpn_batch_size_per_image": 64,
        "box_batch_size_per_image": 16,  # a quarter of them at most reach the mask head
        "box_detections_per_img": 20,
    }
    network = MaskRCNN(
        _Backbone(),
        min_size=min_size,
        rpn_anchor_generator=_CoarseAnchors((SIZES,), (RATIOS,)),
        rpn_head=_CoarseHead(CHANNELS, len(SIZES) * len(RATIOS)),
        box_roi_pool=MultiScaleRoIAlign([COARSE], output_size=7, sampling_ratio=2),
        box_head=TwoMLPHead(CHANNELS * 7 * 7, HIDDEN),
        box_predictor=FastRCNNPredictor(HIDDEN, num_classes),
        mask_roi_pool=MultiScaleRoIAlign([FINE], output_size=MASK_ROI, sampling_ratio=1),
        mask_head=MaskRCNNHeads(CHANNELS, MASK_LAYERS, dilation=1),
        mask_predictor=MaskRCNNPredictor(MASK_LAYERS[-1], MASK_REDUCED, num_classes),
        **defaults | settings,
    )
    network.transform.register_forward_hook(_to_centres)
    network.roi_heads.register_forward_hook(_to_edges)
    return network
