"""Addresses of the weights that libraries download, as the libraries have them (a test compares).

Here as well, since to import these libraries takes seconds.
"""

TORCHVISION = {
    "maskrcnn_resnet50_fpn": "https://download.pytorch.org/models/maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
    "maskrcnn_resnet50_fpn_v2": "https://download.pytorch.org/models/maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
    "lraspp_mobilenet_v3_large": "https://download.pytorch.org/models/lraspp_mobilenet_v3_large-d234d4ea.pth",
    "deeplabv3_mobilenet_v3_large": "https://download.pytorch.org/models/deeplabv3_mobilenet_v3_large-fc3c493d.pth",
    "deeplabv3_resnet50": "https://download.pytorch.org/models/deeplabv3_resnet50_coco-cd0a2569.pth",
}
_COCO = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x"
DETECTRON2 = {
    f"{_COCO}.yaml": f"https://dl.fbaipublicfiles.com/detectron2/{_COCO}/137849600/model_final_f10217.pkl",
}
