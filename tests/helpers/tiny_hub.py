"""Checkpoints of the Hub's format with small random weights, as `save_pretrained` writes them."""

import json
from pathlib import Path
from typing import Any

import torch

LABELS = {0: "chair", 1: "Person", 2: "dog", 3: "cup"}


def save(kind: str, folder: Path, seed: int = 0) -> Path:
    """Write a checkpoint of an architecture (a key of `MAKERS`) with random weights.

    Scores are spread over (0, 1), and masks have both signs, whatever the seed.
    """
    torch.manual_seed(seed)
    network, processor = MAKERS[kind]()
    network.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def rf_detr() -> tuple[Any, Any]:
    from transformers import RfDetrConfig, RfDetrForInstanceSegmentation, RfDetrImageProcessor

    backbone = {
        "model_type": "rf_detr_dinov2", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
        "image_size": 64, "patch_size": 8, "num_windows": 2, "out_features": ["stage1", "stage2"], "mlp_ratio": 2,
    }  # fmt: skip
    config = RfDetrConfig(
        backbone_config=backbone, d_model=32, decoder_layers=2, decoder_ffn_dim=32, decoder_self_attention_heads=2,
        decoder_cross_attention_heads=2, decoder_n_points=2, num_queries=12, group_detr=1, c2f_num_blocks=1,
        intermediate_size=32, id2label=LABELS,
    )  # fmt: skip
    network = RfDetrForInstanceSegmentation(config)
    torch.nn.init.normal_(network.model.class_embed.weight, std=0.5)
    torch.nn.init.zeros_(network.model.class_embed.bias)
    return network, RfDetrImageProcessor(size={"height": 64, "width": 64})


def _swin() -> dict[str, Any]:
    return {
        "model_type": "swin", "embed_dim": 16, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 2], "window_size": 4,
        "image_size": 64, "out_features": ["stage1", "stage2", "stage3", "stage4"],
    }  # fmt: skip


def mask2former() -> tuple[Any, Any]:
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, Mask2FormerImageProcessor

    config = Mask2FormerConfig(
        backbone_config=_swin(), feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=32,
        encoder_layers=1, decoder_layers=2, num_attention_heads=2, dim_feedforward=32, num_queries=12, id2label=LABELS,
    )  # fmt: skip
    network = Mask2FormerForUniversalSegmentation(config)
    torch.nn.init.normal_(network.class_predictor.weight, std=1.0)
    return network, Mask2FormerImageProcessor(size={"shortest_edge": 64, "longest_edge": 128}, ignore_index=255)


def maskformer() -> tuple[Any, Any]:
    from transformers import MaskFormerConfig, MaskFormerForInstanceSegmentation, MaskFormerImageProcessor

    decoder = {
        "model_type": "detr", "d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "num_queries": 12,
    }  # fmt: skip
    config = MaskFormerConfig(
        backbone_config={**_swin(), "model_type": "maskformer-swin"}, decoder_config=decoder, fpn_feature_size=32,
        mask_feature_size=32, id2label=LABELS,
    )  # fmt: skip
    network = MaskFormerForInstanceSegmentation(config)
    torch.nn.init.normal_(network.class_predictor.weight, std=1.0)
    return network, MaskFormerImageProcessor(size={"shortest_edge": 64, "longest_edge": 128}, ignore_index=255)


def eomt() -> tuple[Any, Any]:
    from transformers import EomtConfig, EomtForUniversalSegmentation

    return _eomt(EomtConfig, EomtForUniversalSegmentation, mlp_ratio=2)


def eomt_dinov3() -> tuple[Any, Any]:
    from transformers import EomtDinov3Config, EomtDinov3ForUniversalSegmentation

    return _eomt(EomtDinov3Config, EomtDinov3ForUniversalSegmentation, intermediate_size=32)


def _eomt(config: Any, kind: Any, **size: int) -> tuple[Any, Any]:
    from transformers import EomtImageProcessor

    network = kind(
        config(
            hidden_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=64, patch_size=8,
            num_upscale_blocks=1, num_blocks=1, num_queries=12, num_register_tokens=1, id2label=LABELS, **size,
        )
    )  # fmt: skip
    torch.nn.init.normal_(network.class_predictor.weight, std=1.0)
    torch.nn.init.normal_(network.mask_head.fc3.weight, std=1.0)
    return network, EomtImageProcessor(size={"shortest_edge": 64, "longest_edge": 64}, do_pad=True)


def sam3() -> tuple[Any, Any]:
    from transformers import CLIPTokenizerFast, Sam3Config, Sam3ImageProcessor, Sam3Model, Sam3Processor

    vision = {
        "fpn_hidden_size": 32, "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "backbone_config": {
            "model_type": "sam3_vit_model", "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 2, "image_size": 56, "patch_size": 14, "window_size": 2, "global_attn_indexes": [1],
            "pretrain_image_size": 28,
        },
    }  # fmt: skip
    text = {
        "model_type": "clip_text_model", "vocab_size": 99, "hidden_size": 32, "intermediate_size": 32,
        "projection_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32,
        "eos_token_id": 1, "bos_token_id": 0, "pad_token_id": 1,
    }  # fmt: skip
    detr = {"hidden_size": 32, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = Sam3Config(
        vision_config=vision, text_config=text, geometry_encoder_config=detr, detr_encoder_config=detr,
        detr_decoder_config={**detr, "num_queries": 8},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
    )  # fmt: skip
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    tokenizer = CLIPTokenizerFast(vocab={token: number for number, token in enumerate(tokens)}, merges=[])
    images = Sam3ImageProcessor(size={"height": 56, "width": 56})
    return Sam3Model(config), Sam3Processor(images, tokenizer)


MAKERS = {each.__name__: each for each in (rf_detr, mask2former, maskformer, eomt, eomt_dinov3, sam3)}


def change_config(folder: Path, name: str = "config.json", **values: Any) -> None:
    """Put other values into a json of a checkpoint."""
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**content, **values}))
