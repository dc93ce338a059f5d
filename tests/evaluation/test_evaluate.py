"""Evaluation as a stream: views across batches, each column by its definition, a row's numbers from its file alone."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score
from torch import Tensor, nn

from objabn.clips.batches import clip_tensors, loader, mask_tensors
from objabn.clips.dataset import ClipDataset
from objabn.clips.partners import partners
from objabn.config.schema import Dataset, GradCam
from objabn.evaluation.evaluate import evaluate_run
from objabn.evaluation.insertion_deletion import areas_in_space, ranked_videos
from objabn.evaluation.kept_maps import MapKeeper, read_maps, write_maps
from objabn.evaluation.localisation import THRESHOLDS, energy_inside, iou_by_threshold, pointing
from objabn.evaluation.metrics import (
    calibration_error,
    calibration_error_by_chance,
    is_flat,
    map_entropy,
    mean_known,
    top_k,
)
from objabn.evaluation.numbers import measure_of, over_seeds, read_numbers, write_numbers
from objabn.evaluation.posthoc import posthoc_maps
from objabn.evaluation.results import write_results
from objabn.evaluation.summary import summarise
from objabn.model.network import ObjectABN
from objabn.networks.adapter import Adapter
from objabn.stores.masks import mask_iou
from tests.helpers.foreign import small_module
from tests.helpers.truth import AllKnown

CLASSES = ["a", "b", "c"]


class Noise:
    """Random frames or masks of a video, the same each time; `videos` are those read so far."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.videos = shape, []

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        self.videos.append(video)
        draw = np.random.default_rng([zlib.crc32(video.encode()), len(self.shape), *indices])
        if len(self.shape) == 3 and self.shape[-1] == 3:
            return draw.integers(0, 256, (len(indices), *self.shape), dtype=np.uint8)
        planes = np.zeros((len(indices), *self.shape), np.uint8)
        at = draw.integers(0, 70)
        planes[draw.random(len(indices)) < 0.7, 0, at : at + 60, 20:90] = 255  # some frames have none
        return planes


@pytest.fixture
def params(synthetic: Dataset) -> Dataset:
    data = {"num_frames": 4, "crop": 32, "short_side_min": 32, "short_side_max": 36, "short_side_eval": 32}
    return synthetic.model_copy(
        update={
            "data": synthetic.data.model_copy(update=data),
            "gradcam": GradCam(layer="split"),  # res5 of so small a clip is one cell
            "machine": synthetic.machine.model_copy(update={"loader_workers": 0}),
        }
    )


def evaluation(params: Dataset, **changes: object) -> Dataset:
    return params.model_copy(update={"eval": params.eval.model_copy(update=changes)})


def five_videos(params: Dataset, *, truth: bool = True) -> ClipDataset:
    """Of 40 frames of 32 x 40 pixels; masks and truth are the same."""
    names = [f"v{number}" for number in range(5)]
    table = pd.DataFrame(
        {"video": names, "label": [CLASSES[number % 3] for number in range(5)], "frames": 40, "height": 64}
    ).assign(width=80)
    planes = Noise((2, 128, 128))
    return ClipDataset(
        table, CLASSES, Noise((32, 40, 3)), planes, params.data, params.mask,
        seed=0, evaluation=params.eval, truth=AllKnown(planes) if truth else None,
    )  # fmt: skip


@pytest.fixture
def make_lively(make_model: Callable) -> Callable:
    """As `make_model`, but the answers differ from clip to clip, and the maps from cell to cell."""

    def build(attention: str) -> ObjectABN:
        model = make_model(attention=attention, pc=False).train()
        nn.init.normal_(model.perception_branch[-1].proj.weight, 0, 2)
        nn.init.normal_(model.attention_branch.map_head[0].weight, 0, 0.5)
        for _ in range(20):  # statistics of the BatchNorms, with which no feature is dead
            model(torch.randn(4, 3, 4, 32, 32))
        return model.eval()

    return build


@pytest.mark.parametrize("attention", ["mha", "plain"])
def test_batches_that_cut_videos_in_two_change_nothing(params: Dataset, make_model: Callable, attention: str) -> None:
    model = make_model(attention=attention, pc=False)
    found = {}
    for batch_size in (1, 2, 3, 4, 7, 15, 100):
        given = evaluation(params, batch_size=batch_size, views=3)
        found[batch_size] = pd.concat(evaluate_run(model, attention, five_videos(given), given), ignore_index=True)
    assert found[1]["video"].tolist() == ["v0", "v1", "v2", "v3", "v4"]
    for table in found.values():
        pd.testing.assert_frame_equal(table, found[1], rtol=1e-4, atol=1e-4)


def test_videos_come_as_soon_as_their_views_are_in(params: Dataset, make_model: Callable) -> None:
    given = evaluation(params, batch_size=4, views=3)
    dataset = five_videos(given)
    tables = evaluate_run(make_model(attention="mask", pc=False), "mask", dataset, given)
    read = dataset._frames.videos
    assert read == []
    assert next(tables)["video"].tolist() == ["v0"]
    other = [f"v{number}" for number in partners(dataset.labels)[:2]]
    assert read == ["v0", other[0]] * 3 + ["v1", other[1]]  # a clip and its partner's
    assert [table["video"].tolist() for table in tables] == [["v1"], ["v2", "v3"], ["v4"]]


def test_each_column_follows_its_definition(params: Dataset, make_lively: Callable) -> None:
    """Two views of each video, one by one; Grad-CAM and LayerCAM of a layer whose maps have 2 x 2 cells."""
    given = evaluation(params, batch_size=1, views=2, flat_range=0.02)
    given = given.model_copy(update={"gradcam": GradCam(layer="res4")})
    model = make_lively("mha")
    results = pd.concat(evaluate_run(model, "mha", five_videos(given), given), ignore_index=True)
    batches = list(loader(five_videos(given), 1, workers=0))
    for number, line in results.iterrows():
        clips, probabilities = [], []
        for batch in batches[2 * number : 2 * number + 2]:
            with torch.no_grad():
                output = model(clip_tensors(batch, 32))
            probabilities.append(output.perception_logits.softmax(dim=1)[0])
            fit, truth = (
                mask_tensors(batch, key, 4, resize).bool()[0].numpy()
                for key, resize in (("masks", given.mask.resize), ("truth", "area"))
            )
            found = posthoc_maps(model, clip_tensors(batch, 32), "res4")
            native = {name: values[0, 0].numpy() for name, values in found.native.items()}
            maps = dict(zip("uob", output.maps[0].numpy(), strict=True))
            maps |= {name: values[0, 0].numpy() for name, values in found.maps.items()}
            clips.append((maps, native, fit, truth))
        areas = [np.nanmean([frame.mean() if frame.any() else np.nan for frame in truth]) for *_, truth in clips]
        assert line["truth_area"] == pytest.approx(np.nanmean(areas))
        areas = [np.mean([frame.mean() for frame in fit if frame.any()]) for *_, fit, _ in clips]
        assert line["object_area"] == pytest.approx(np.mean(areas))
        mean = sum(probabilities) / 2
        order = mean.argsort(descending=True).tolist()
        assert (line["label"], line["predicted"]) == (CLASSES[number % 3], CLASSES[order[0]])
        assert (line["top1"], line["top5"]) == (int(order[0] == number % 3), 1)
        assert line["confidence"] == pytest.approx(float(mean.max()), abs=1e-5)
        assert line["empty_share"] == pytest.approx(np.mean([~truth.any(axis=(1, 2)) for *_, truth in clips]))
        assert line["truth_share"] == 1
        for name in "uobgslcm":
            kinds: dict[str, list] = {}
            for maps, native, fit, truth in clips:
                own, there = maps[name], truth.any(axis=(1, 2))  # the object's frames
                assert there.any()  # in each of these clips
                fits, true = (~mask[there] if name == "b" else mask[there] for mask in (fit, truth))
                frames = {
                    "entropy": map_entropy(own, 1e-6), "entropy_object": map_entropy(own[there], 0.02),
                    "entropy_object_at_1e-06": map_entropy(own[there], 1e-6),
                    "entropy_object_at_0.02": map_entropy(own[there], 0.02),
                    "entropy_object_at_0.05": map_entropy(own[there], 0.05),
                    "flat_share": is_flat(own, 0.02), "flat_share_object": is_flat(own[there], 0.02),
                    "range": np.ptp(own[there], axis=(1, 2)), "lit_empty": own[~there].mean(axis=(1, 2)),
                    "flicker": np.abs(np.diff(own, axis=0)).mean(axis=(1, 2)),
                    "iou_fit": mask_iou(own[there] >= 0.5, fits), "iou_truth": mask_iou(own[there] >= 0.5, true),
                    "pointing": pointing(own[there], true), "energy": energy_inside(own[there], true),
                    "iou_curve": iou_by_threshold(own[there], true),
                }  # fmt: skip
                if name in native:
                    frames["entropy_native"] = map_entropy(native[name][there], 0.02)
                for kind, values in frames.items():
                    kinds.setdefault(kind, []).append(mean_known(values, axis=0))
            for kind, of_views in kinds.items():
                expected = mean_known(np.array(of_views), axis=0)
                np.testing.assert_allclose(line[f"{kind}_{name}"], expected, atol=1e-4, err_msg=f"{kind} {name}")
            assert (f"entropy_native_{name}" in line) == (name in "gl")


@pytest.mark.parametrize(
    ("most", "videos"),
    [(1, ["v0"]), (2, ["v0", "v4"]), (3, ["v0", "v2", "v4"]), (5, ["v0", "v1", "v2", "v3", "v4"]),
     (512, ["v0", "v1", "v2", "v3", "v4"])],
)  # fmt: skip
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_kept_maps_are_those_of_each_first_view(
    params: Dataset, make_model: Callable, most: int, videos: list[str], batch_size: int
) -> None:
    given = evaluation(params, batch_size=batch_size, views=3)
    model, dataset = make_model(attention="mha", pc=False).eval(), five_videos(given)
    keeper = MapKeeper(dataset, "mha", most)
    list(evaluate_run(model, "mha", dataset, given, keep=keeper))
    kept = keeper.kept()
    assert (kept.videos.tolist(), kept.map_names.tolist()) == (videos, ["u", "o", "b"])
    assert (kept.maps.dtype, kept.maps.shape) == (np.uint8, (len(videos), 3, 4, 4, 4))
    for number, video in enumerate(videos):
        sample = dataset[3 * int(video[1:])]
        with torch.no_grad():
            maps = model(clip_tensors({name: value[None] for name, value in sample.items()}, 32)).maps[0].numpy()
        assert np.abs(kept.maps[number] - 255.0 * maps).max() <= 0.51
        assert kept.frames[number].tolist() == sample["frame_numbers"].tolist()
        assert kept.boxes[number].tolist() == sample["box"].tolist()


def test_grad_cam_is_kept_where_there_are_no_maps(params: Dataset, make_model: Callable, tmp_path: Path) -> None:
    dataset = five_videos(params)
    keeper = MapKeeper(dataset, "plain")
    list(evaluate_run(make_model(attention="plain", pc=False), "plain", dataset, params, keep=keeper))
    assert (keeper.kept().map_names.tolist(), keeper.kept().maps.shape) == (["g"], (5, 1, 4, 4, 4))
    write_maps(tmp_path / "m.npz", keeper.kept())
    for one, two in zip(read_maps(tmp_path / "m.npz"), keeper.kept(), strict=True):
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)


@settings(deadline=None)
@given(data=st.data())
def test_top_1_and_top_5_are_those_of_scikit_learn(data: st.DataObject) -> None:
    num_classes, seed = data.draw(st.integers(6, 12)), data.draw(st.integers(0, 1000))
    draw = np.random.default_rng(seed)
    probabilities, labels = draw.random((20, num_classes)), draw.integers(num_classes, size=20)
    for k in (1, 5):
        theirs = top_k_accuracy_score(labels, probabilities, k=k, labels=range(num_classes))
        assert top_k(probabilities, labels, k).mean() == pytest.approx(theirs)


def test_without_truth_there_is_the_fit_alone(params: Dataset, make_model: Callable) -> None:
    model = make_model(attention="mask", pc=False)
    [results] = evaluate_run(model, "mask", five_videos(params, truth=False), params)
    assert not [name for name in results if "truth" in name or name.startswith(("pointing", "energy", "iou_curve"))]
    assert [name for name in results if name.endswith("_o")] == [
        "entropy_o", "entropy_object_o",
        "entropy_object_at_1e-06_o", "entropy_object_at_0.02_o", "entropy_object_at_0.05_o",
        "flat_share_o", "flat_share_object_o", "range_o", "lit_empty_o", "flicker_o",
        "iou_fit_o", "insertion_o", "deletion_o",
    ]  # fmt: skip
    assert list(results)[-2:] == ["empty_share", "object_area"]
    answers = ["top1", "top5", "confidence", "top1_attention", "top1_even", "top1_other", "top1_masks"]
    assert list(results)[3:10] == answers


@pytest.mark.parametrize("attention", ["abn", "mha"])
def test_answers_under_other_maps_are_those_of_the_network(params: Dataset, make_lively: Callable, attention) -> None:
    """Computed here clip by clip, of two views a video: the mean probabilities decide."""
    given = evaluation(params, batch_size=3, views=2)
    model, dataset = make_lively(attention), five_videos(given)
    results = pd.concat(evaluate_run(model, attention, dataset, given), ignore_index=True)
    batches, other = list(loader(five_videos(given), 1, workers=0)), partners(dataset.labels)
    rights: dict[str, list[int]] = {}
    for number in range(5):
        means: dict[str, list] = {}
        for view in range(2):
            batch = batches[2 * number + view]
            with torch.no_grad():
                h1 = model.extractor(clip_tensors(batch, 32))
                attention_logits, maps, _ = model.attention_branch(h1)
                others = model(clip_tensors(batches[2 * other[number] + view], 32)).maps
                energy = h1.square().mean(dim=1, keepdim=True)
                even = ((maps.square() * energy).mean(dim=(2, 3, 4)) / energy.mean(dim=(2, 3, 4))).sqrt()
                mask = mask_tensors(batch, "masks", 4, given.mask.resize)[:, None]
                answers = {
                    "attention": attention_logits,
                    "even": model.perceive(h1, even[..., None, None, None].expand_as(maps)),
                    "other": model.perceive(h1, others),
                    "masks": model.perceive(
                        h1, mask if attention == "abn" else torch.cat([maps[:, :1], mask, 1 - mask], dim=1)
                    ),
                }
            for name, logits in answers.items():
                means.setdefault(name, []).append(logits.softmax(dim=1)[0])
        for name, probabilities in means.items():
            rights.setdefault(name, []).append(int(sum(probabilities).argmax() == dataset.labels[number]))
    for name, expected in rights.items():
        assert results[f"top1_{name}"].tolist() == expected, name
    assert results["top1_truth"].tolist() == results["top1_masks"].tolist()  # the same masks, resized alike


def test_one_video_has_no_other_map_and_is_evaluated(params: Dataset, make_model: Callable) -> None:
    whole = five_videos(params)
    dataset = ClipDataset(
        whole.table.iloc[:1], CLASSES, whole._frames, whole._masks, params.data, params.mask, seed=0,
        evaluation=params.eval, truth=whole._truth,
    )  # fmt: skip
    [results] = evaluate_run(make_model(attention="mask", pc=False), "mask", dataset, params, rank=True)
    assert "top1_other" not in results
    assert {"top1_attention", "top1_even", "top1_masks", "top1_truth"} <= set(results)
    assert results["insertion_o"].notna().all()


class PartlyAnnotated(ClipDataset):
    """The five videos, of which v0 has no annotation, v1 in its last two frames none, and the others all."""

    def __getitem__(self, at: int | tuple[int, int]) -> dict[str, Tensor]:
        item = super().__getitem__(at)
        if "truth" not in item:  # a partner's, of which masks are not read
            return item
        known = torch.ones(4, dtype=torch.bool)
        known[{0: 0, 1: 2}.get(int(item["row"]), 4) :] = False
        return item | {"truth_known": known, "truth": item["truth"] * known[:, None, None]}


def test_frames_without_annotation_take_no_part(params: Dataset, make_model: Callable) -> None:
    whole, model = five_videos(params), make_model(attention="mask", pc=False)
    partly = PartlyAnnotated(
        whole.table, CLASSES, whole._frames, whole._masks, params.data, params.mask, seed=0, evaluation=params.eval,
        truth=whole._truth,
    )  # fmt: skip
    [expected], [found] = (list(evaluate_run(model, "mask", each, params)) for each in (whole, partly))
    assert found["truth_share"].tolist() == [0, 0.5, 1, 1, 1]
    assert found["top1_truth"].isna().tolist() == [True, True, False, False, False]
    truth = [name for name in found if "truth" in name or name.startswith(("pointing", "energy"))]
    assert found.loc[0, [name for name in truth if name != "truth_share"]].isna().all()
    assert np.isnan(found.loc[0, "iou_curve_o"]).all()
    pd.testing.assert_frame_equal(found.iloc[2:], expected.iloc[2:])
    # The segmenter's masks, here the same as the true ones, tell of the object where no annotation does.
    same = [name for name in found if name.startswith(("entropy", "flat", "range", "lit", "iou_fit", "empty_share"))]
    pd.testing.assert_frame_equal(found[same], expected[same])


def test_rankings_are_measured_on_videos_drawn_once(params: Dataset, make_model: Callable) -> None:
    given = evaluation(params, batch_size=3, views=2, ranking_videos=2)
    dataset, model = five_videos(given), make_model(attention="mha", pc=False)
    names = [f"{kind}_{name}" for name in ("u", "o", *"gslcm", "random") for kind in ("insertion", "deletion")]
    found = {}
    for rank in (True, False):
        results = pd.concat(evaluate_run(model, "mha", dataset, given, rank=rank), ignore_index=True)
        assert [name for name in results if name.startswith(("insertion", "deletion"))] == names
        expected = ranked_videos(dataset.labels, 2) if rank else np.zeros(5, bool)
        assert results[names].notna().all(axis=1).tolist() == expected.tolist()
        assert results[names].isna().all(axis=1).tolist() == (~expected).tolist()
        found[rank] = results.drop(columns=names)
    pd.testing.assert_frame_equal(found[True], found[False])


def test_rankings_are_those_of_the_networks_own_maps_and_answers(params: Dataset, make_lively: Callable) -> None:
    given = evaluation(params, batch_size=5, ranking_videos=None)
    dataset, model = five_videos(given), make_lively("mask")
    [results] = evaluate_run(model, "mask", dataset, given, rank=True)
    [batch] = loader(dataset, 5, workers=0)
    clips = clip_tensors(batch, 32)
    with torch.no_grad():
        output = model(clips)
    answers = output.perception_logits.argmax(dim=1)
    expected = areas_in_space(model, clips, {"o": output.maps[:, 0]}, dataset.table["video"], answers)
    assert list(expected) == ["insertion_o", "deletion_o", "insertion_random", "deletion_random"]
    for name, values in expected.items():
        np.testing.assert_allclose(results[name], values, atol=1e-5)


def test_a_network_that_yields_nan_is_not_evaluated(params: Dataset, make_model: Callable) -> None:
    for attention, layer in (("mask", "attention_branch"), ("plain", "perception_branch")):
        model = make_model(attention=attention, pc=False)
        for weight in getattr(model, layer).parameters():
            nn.init.constant_(weight, float("nan"))
        with pytest.raises(ValueError, match=r"^the network's logits or maps are not finite: its training went wrong$"):
            next(evaluate_run(model, attention, five_videos(params), params))
    other = Adapter(small_module(), num_frames=params.data.num_frames, size=params.data.crop)
    nn.init.constant_(next(other.parameters()), float("nan"))
    line = "the network's logits or maps are not finite: it was not trained here, so its weights, precision or "
    params = params.model_copy(update={"gradcam": GradCam(layer=other.layer)})
    with pytest.raises(ValueError, match=f"^{line}normalisation may not fit$"):
        next(evaluate_run(other, "plain", five_videos(params), params))


def curve(**values: float) -> np.ndarray:
    """An IoU curve that is 0 but at `at_<number>`."""
    found = np.zeros(19, np.float32)
    for name, value in values.items():
        found[int(name.removeprefix("at_"))] = value
    return found


def lines(top1: list[int], entropy: list[float], curves: list[np.ndarray], seed: int) -> pd.DataFrame:
    given = {"video": ["x", "y"], "label": "a", "predicted": "a", "top1": top1, "top5": 1, "entropy_u": entropy}
    return pd.DataFrame({**given, "iou_curve_u": curves, "seed": seed})


def test_numbers_of_a_row_by_hand(tmp_path: Path) -> None:
    first = lines([1, 0], [2.0, np.nan], [curve(at_2=0.75), curve(at_2=0.25, at_9=0.5)], 0)
    write_results(tmp_path / "r.parquet", [first])
    assert summarise(tmp_path / "r.parquet").to_numpy().tolist() == [
        [0, "", "top1", 50.0], [0, "", "top5", 100.0], [0, "u", "entropy", 2.0],
        [0, "u", "iou_best", 0.5], [0, "u", "best_threshold", 0.15],
    ]  # fmt: skip

    second = lines([1, 1], [np.nan, np.nan], [curve(at_9=1.0), curve(at_9=0.5)], 1)
    write_results(tmp_path / "r.parquet", iter([first, second]))
    table = summarise(tmp_path / "r.parquet")
    write_numbers(tmp_path / "r.csv", table)
    pd.testing.assert_frame_equal(read_numbers(tmp_path / "r.csv"), table)
    assert over_seeds(table) == {
        ("top1", ""): (75.0, pytest.approx(35.355339)),
        ("top5", ""): (100.0, 0.0),
        ("entropy", "u"): (2.0, None),  # of the one seed that has it, so it has no spread
        ("iou_best", "u"): (0.5, pytest.approx(0.35355339)),  # 0.25 and 0.75 at one threshold for both seeds
        ("best_threshold", "u"): (0.5, 0.0),
    }


def test_numbers_that_are_no_means_by_hand(tmp_path: Path) -> None:
    """Calibration over all videos of a seed, videos with an annotation, and numbers that a seed's videos lack."""
    first = lines([1, 0], [2.0, 1.0], [curve(at_2=0.75), np.full(19, np.nan, np.float32)], 0)
    first = first.assign(
        confidence=[0.9, 0.7], top1_even=[1.0, np.nan], truth_share=[0.5, 0.0], insertion_u=[0.5, 0.25]
    )
    second = lines([1, 1], [1.0, 1.0], [curve(at_2=0.25)] * 2, 1)
    second = second.assign(confidence=[0.8, 0.8], top1_even=[0.0, 1.0], truth_share=[1.0, 0.5], insertion_u=np.nan)
    write_results(tmp_path / "r.parquet", [first, second])
    table = summarise(tmp_path / "r.parquet")
    found = {(seed, measure, letter): value for seed, letter, measure, value in table.itertuples(index=False)}
    expected = {
        (0, "ece", ""): (0.1 + 0.7) / 2, (1, "ece", ""): 0.2,
        # Each alone in its bin: off by 0.1 of 90 % and by 0.9 of 10 %, 2 p (1 - p) on average. Of two in one bin with
        # 0.8: |2 - 1.6|, |1 - 1.6| and |0 - 1.6| of 64, 32 and 4 %, divided by two.
        (0, "ece_by_chance", ""): pytest.approx((0.18 + 0.42) / 2, abs=0.03),
        (1, "ece_by_chance", ""): pytest.approx((0.64 * 0.4 + 0.32 * 0.6 + 0.04 * 1.6) / 2, abs=0.03),
        (0, "confidence", ""): 0.8, (1, "confidence", ""): 0.8,
        (0, "truth_videos", ""): 1, (1, "truth_videos", ""): 2,
        (0, "truth_share", ""): 0.25, (1, "truth_share", ""): 0.75,
        (0, "top1_even", ""): 100, (1, "top1_even", ""): 50,  # of the videos that have it
        (0, "insertion", "u"): 0.375,  # the second seed has no line
        (0, "iou_best", "u"): 0.75, (1, "iou_best", "u"): 0.25,
    }  # fmt: skip
    for key, value in expected.items():
        assert found[key] == (pytest.approx(value) if isinstance(value, float | int) else value), key
    assert (1, "insertion", "u") not in found


def test_numbers_of_another_kind_are_a_clear_fault(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"r\.csv: expected the row's numbers, got no file"):
        read_numbers(tmp_path / "r.csv")
    (tmp_path / "r.csv").write_text("seed,top1\n0,50.0\n")
    with pytest.raises(ValueError, match=r"expected the columns seed, map, measure, value, got seed, top1$"):
        read_numbers(tmp_path / "r.csv")


@pytest.mark.parametrize("attention", ["mask", "mha", "plain"])
@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_every_number_can_be_had_from_the_file(
    tmp_path: Path, params: Dataset, make_model: Callable, attention: str, seeds: list[int]
) -> None:
    given = evaluation(params, batch_size=4, views=2, ranking_videos=int(attention == "mask"))

    def tables() -> Iterator[pd.DataFrame]:
        for seed in seeds:
            model = make_model(seed, attention=attention, pc=False)
            for table in evaluate_run(model, attention, five_videos(given), given, rank=seed == 0):
                yield table.assign(seed=seed)

    write_results(tmp_path / "r.parquet", tables())
    row = over_seeds(summarise(tmp_path / "r.parquet"))

    table = pd.read_parquet(tmp_path / "r.parquet")
    expected = {}
    for name in table.columns.drop(["video", "label", "predicted", "seed"]):
        values, key = table[name], measure_of(name)
        if name.startswith("iou_curve"):
            curves = np.stack(values)
            assert np.isfinite(curves).all()
            best, letter = curves.mean(axis=0).argmax(), name[-1]
            key, values = ("iou_best", letter), pd.Series(curves[:, best])
            expected["best_threshold", letter] = (THRESHOLDS[best], 0.0 if len(seeds) > 1 else None)
        by_seed = values.groupby(table["seed"]).mean() * (100 if name.startswith("top") else 1)
        if by_seed.notna().any():
            expected[key] = (by_seed.mean(), by_seed.std() if by_seed.notna().sum() > 1 else None)
    by_seed = [calibration_error(each["confidence"], each["top1"]) for _, each in table.groupby("seed")]
    expected["ece", ""] = (np.mean(by_seed), np.std(by_seed, ddof=1) if len(seeds) > 1 else None)
    by_seed = [calibration_error_by_chance(each["confidence"]) for _, each in table.groupby("seed")]
    expected["ece_by_chance", ""] = (np.mean(by_seed), np.std(by_seed, ddof=1) if len(seeds) > 1 else None)
    expected["truth_videos", ""] = (5, 0.0 if len(seeds) > 1 else None)
    assert row.keys() == expected.keys()
    for key, (mean, spread) in expected.items():
        assert row[key].mean == pytest.approx(mean, abs=1e-6), key
        assert row[key].std == (spread if spread is None else pytest.approx(spread, abs=2e-6)), key
