"""Clips: which frames, which box, which batch; all of it from (seed, epoch, video) and nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from objabn.clips.batches import clip_tensors, loader, mask_tensors, num_batches
from objabn.clips.dataset import ClipDataset, open_split, validation_split
from objabn.clips.geometry import resample_clips, resample_masks
from objabn.clips.sampling import clip_starts, frame_indices
from objabn.config.schema import Data, Dataset, Eval
from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.masks import union_mask
from tests.helpers.truth import truth_of, write_truth

SPAN = 7  # frames from the first to the last of a clip: 4 of every second one
DATA = {"num_frames": 4, "frame_stride": 2, "crop": 32, "short_side_min": 36, "short_side_max": 48,
        "short_side_eval": 40, "flip": 0.5, "colour": 0.0, "pad": "last"}  # fmt: skip
EVAL = {"start": "centre", "views": 1, "batch_size": 16, "flat_range": 0.05, "entropy_bins": 10, "entropy_size": None,
        "ranking_videos": 0, "ranking_seeds": "first", "camera": "still"}  # fmt: skip
# video: label, split, frames, height and width of the original
VIDEOS = {
    "t0": ("walk", "train", 9, 48, 64),
    "t1": ("jump", "train", 30, 64, 48),
    "broken": ("walk", "train", 0, 0, 0),
    "t2": ("walk", "train", 3, 48, 48),
    "t3": ("jump", "train", 12, 48, 90),
    "t4": ("walk", "train", 8, 48, 64),
    "e0": ("walk", "test", 21, 48, 64),
    "e1": ("wave", "test", 5, 48, 64),
    "e2": ("jump", "test", 16, 96, 64),
}
CLASSES = ["jump", "walk", "wave"]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`frames` of 12 x 16 pixels and `masks`, both of random numbers; a frame's first pixel is its own number."""
    folder, draw = tmp_path_factory.mktemp("stores"), np.random.default_rng(0)
    writers = {}
    for name, shape in (("frames", (12, 16, 3)), ("masks", (2, 128, 128))):
        (folder / name).mkdir()
        writers[name] = StoreWriter(folder / name, shape, frames_per_chunk=8, frames_per_shard=32)
    for video, (label, split, num_frames, height, width) in VIDEOS.items():
        frames = draw.integers(0, 256, (num_frames, 12, 16, 3), dtype=np.uint8)
        frames[:, 0, 0, 0] = np.arange(num_frames)
        row = {"label": label, "split": split, "status": "ok", "height": height, "width": width}
        writers["frames"].append(frames, video=video, **row)
        blocks = draw.integers(0, 256, (num_frames, 2, 8, 8), dtype=np.uint8)
        writers["masks"].append(blocks.repeat(16, axis=2).repeat(16, axis=3), video=video)
    for writer in writers.values():
        writer.close()
    return folder


@pytest.fixture
def open_(stores: Path, synthetic: Dataset) -> Callable[..., ClipDataset]:
    """`open_split` of the stores, with changes to the parameters of data and evaluation."""

    def opened(split: str = "train", seed: int = 0, evaluation: dict | None = None, masks: bool = True, **data: object):
        params = synthetic.model_copy(update={"data": Data(**{**DATA, **data})})
        how = Eval(**{**EVAL, **(evaluation or {})}) if split == "test" else None
        masks_path = stores / "masks" if masks else None
        return open_split(split, params, stores / "frames", masks_path, seed=seed, evaluation=how)

    return opened


def numbers(frames: Tensor) -> list[int]:
    """Which frames of their video these are."""
    return frames[:, 0, 0, 0].tolist()


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor], but: tuple[str, ...] = ()) -> None:
    assert one.keys() == other.keys()
    for name in one.keys() - set(but):
        assert torch.equal(one[name], other[name]), name


@pytest.mark.parametrize(
    ("num_frames", "start", "length", "stride", "pad", "expected"),
    [
        (100, 0, 4, 4, "last", [0, 4, 8, 12]),
        (100, 7, 3, 1, "loop", [7, 8, 9]),
        (13, 0, 4, 4, "last", [0, 4, 8, 12]),
        (12, 0, 4, 4, "last", [0, 4, 8, 11]),
        (6, 0, 4, 4, "last", [0, 4, 5, 5]),
        (6, 0, 4, 4, "loop", [0, 4, 2, 0]),
        (1, 0, 3, 2, "last", [0, 0, 0]),
        (1, 0, 3, 2, "loop", [0, 0, 0]),
    ],
)
def test_frame_indices_by_hand(num_frames, start, length, stride, pad, expected):
    assert frame_indices(num_frames, start, length, stride, pad).tolist() == expected


@pytest.mark.parametrize(
    ("num_frames", "span", "views", "expected"),
    [
        (100, 61, 1, [19]),  # 39 frames of room
        (100, 61, 2, [9, 29]),
        (100, 61, 3, [6, 19, 32]),
        (61, 61, 1, [0]),
        (62, 61, 1, [0]),
        (63, 61, 1, [1]),
        (10, 61, 1, [0]),  # shorter than the clip
        (10, 61, 2, [0, 0]),
    ],
)
def test_clip_starts_by_hand(num_frames, span, views, expected):
    assert clip_starts(num_frames, span, views).tolist() == expected


@pytest.mark.parametrize(("split", "pad"), [("train", "last"), ("train", "loop"), ("test", "last")])
def test_a_clip_says_which_frames_it_has(open_, split, pad):
    dataset = open_(split, pad=pad)
    for item in range(len(dataset)):
        clip = dataset[item]
        assert clip["frame_numbers"].tolist() == numbers(clip["frames"])


def assert_same_clips(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """Frames that come from a worker are black where no clip looks."""
    assert_equal(one, other, but=("frames",))
    assert torch.equal(clip_tensors(one, 32), clip_tensors(other, 32))


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.sampled_from(["last", "loop"]))
def test_no_clip_leaves_its_video(num_frames, length, stride, views, pad):
    span = (length - 1) * stride + 1
    starts = clip_starts(num_frames, span, views)
    assert len(starts) == views
    for start in starts:
        indices = frame_indices(num_frames, start, length, stride, pad)
        assert len(indices) == length
        assert indices.min() >= 0
        assert indices.max() < num_frames
        if span <= num_frames:
            assert indices.tolist() == list(range(start, start + span, stride))


def test_an_item_is_as_described(open_, stores, synthetic):
    item = open_()[1]
    assert {name: (tuple(value.shape), value.dtype) for name, value in item.items()} == {
        "frames": ((4, 12, 16, 3), torch.uint8),
        "frame_numbers": ((4,), torch.int64),
        "box": ((4,), torch.float32),
        "flip": ((), torch.bool),
        "label": ((), torch.int64),
        "row": ((), torch.int64),
        "masks": ((4, 128, 128), torch.uint8),
    }
    chosen = numbers(item["frames"])
    np.testing.assert_array_equal(item["frames"], StoreReader(stores / "frames").read_all("t1")[chosen])
    planes = StoreReader(stores / "masks").read_all("t1")[chosen]
    np.testing.assert_array_equal(item["masks"], union_mask(planes, 0.5, synthetic.mask.groups))
    assert "masks" not in open_(masks=False)[1]


def test_threshold_and_groups_of_the_masks(stores, synthetic):
    params = synthetic.model_copy(update={"data": Data(**DATA)})
    params = params.model_copy(
        update={"mask": params.mask.model_copy(update={"score_threshold": 0.9, "groups": ["other"]})}
    )
    item = open_split("test", params, stores / "frames", stores / "masks", seed=0, evaluation=Eval(**EVAL))[0]
    planes = StoreReader(stores / "masks").read_all("e0")[numbers(item["frames"])]
    np.testing.assert_array_equal(item["masks"], planes[:, 1] >= 230)


def test_truth_is_read_beside_the_masks(stores, synthetic):
    params = synthetic.model_copy(update={"data": Data(**DATA)})
    item = open_split("test", params, stores / "frames", None, seed=0, truth=truth_of(stores / "masks"))[0]
    assert "masks" not in item
    assert item["truth"].shape == (4, 128, 128)


def test_videos_without_frames_are_left_out_and_labels_are_the_whole_sets(open_):
    train, test = open_("train"), open_("test")
    assert train.table["video"].tolist() == ["t0", "t1", "t2", "t3", "t4"]
    assert test.table["video"].tolist() == ["e0", "e1", "e2"]
    assert train.class_names == test.class_names == CLASSES
    assert [CLASSES[train[n]["label"]] for n in range(5)] == ["walk", "jump", "walk", "jump", "walk"]
    assert [test[n]["row"].item() for n in range(3)] == [0, 1, 2]


def test_a_label_that_the_model_does_not_know(stores, synthetic):
    fault = r"frames: expected labels that the model was trained on, got jump, wave$"
    with pytest.raises(ValueError, match=fault):
        open_split("test", synthetic, stores / "frames", None, seed=0, class_names=["sit", "walk"])


def test_the_models_labels_keep_their_numbers(stores, synthetic):
    params = synthetic.model_copy(update={"data": Data(**DATA)})
    names = ["wave", "sit", "walk", "jump"]
    test = open_split("test", params, stores / "frames", None, seed=0, class_names=names)
    assert [test[n]["label"].item() for n in range(3)] == [2, 0, 3]


def test_a_split_without_videos(stores, synthetic):
    with pytest.raises(ValueError, match=r"frames: expected at least one usable validation video, found none$"):
        open_split("validation", synthetic, stores / "frames", None, seed=0)


def test_an_item_depends_on_seed_epoch_and_video_only(open_, stores, synthetic):
    whole, again = open_(), open_()
    readers = StoreReader(stores / "frames"), StoreReader(stores / "masks")
    some = whole.table.iloc[::-2]  # t4, t2, t0
    part = ClipDataset(some, CLASSES, *readers, Data(**DATA), synthetic.mask, seed=0)
    for epoch in (0, 3):
        backwards = [again[epoch, n] for n in (4, 3, 2, 1, 0)][::-1]
        for n in range(5):
            assert_equal(whole[epoch, n], backwards[n])
        for n in range(3):
            assert_equal(part[epoch, n], whole[epoch, 4 - 2 * n], but=("row",))
    assert_equal(whole[2], whole[0, 2])


def boxes(dataset: ClipDataset, epoch: int = 0) -> list[list[float]]:
    return [dataset[epoch, n]["box"].tolist() for n in range(len(dataset))]


def test_epochs_seeds_and_videos_draw_differently(open_):
    drawn = [*boxes(open_(), 0), *boxes(open_(), 1), *boxes(open_(seed=1), 0)]
    assert len({tuple(box) for box in drawn}) == 15


def test_training_starts_at_every_frame_that_leaves_room(open_):
    train = open_()
    starts: dict[int, set[int]] = {0: set(), 2: set(), 4: set()}
    for epoch in range(40):
        for n, seen in starts.items():
            seen.add(numbers(train[epoch, n]["frames"])[0])
    assert starts == {0: {0, 1, 2}, 2: {0}, 4: {0, 1}}  # of 9, 3 and 8 frames; a clip spans 7


@pytest.mark.parametrize(("pad", "expected"), [("last", [0, 2, 2, 2]), ("loop", [0, 2, 1, 0])])
def test_short_videos_are_padded(open_, pad, expected):
    assert numbers(open_(pad=pad)[2]["frames"]) == expected


def test_boxes_of_training_lie_in_the_frame_and_vary_as_the_short_side(open_):
    train = open_()
    drawn = np.array([boxes(train, epoch) for epoch in range(60)])  # (epochs, videos, 4)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    side = drawn[..., 2:] - drawn[..., :2]  # (epochs, videos, x and y)
    sizes = np.array([VIDEOS[video][3:] for video in train.table["video"]])  # height, width
    short = 32 / (side * sizes[:, ::-1] / sizes.min(axis=1, keepdims=True))  # the drawn short side, pixels
    np.testing.assert_allclose(short[..., 0], short[..., 1], rtol=1e-4)  # square
    assert 36 <= short.min() < 36.5
    assert 47.5 < short.max() <= 48
    corner = drawn[..., :2] / (1 - side)  # 0: left or top, 1: right or bottom
    assert corner.min() < 0.02
    assert corner.max() > 0.98
    assert abs(np.corrcoef(corner[..., 0].ravel(), corner[..., 1].ravel())[0, 1]) < 0.2


@pytest.mark.parametrize(("flip", "expected"), [(0.0, {False}), (1.0, {True}), (0.5, {False, True})])
def test_flip_is_a_probability(open_, flip, expected):
    train = open_(flip=flip)
    seen = []
    for epoch in range(20):
        seen += [train[epoch, n]["flip"].item() for n in range(5)]
    assert set(seen) == expected
    assert flip != 0.5 or 35 < sum(seen) < 65  # of 100


def test_colours_are_drawn_for_each_clip_and_epoch_and_move_nothing_else(open_):
    plain, coloured = open_(), open_(colour=0.4)
    gains = []
    for epoch in range(3):
        for n in range(5):
            item = coloured[epoch, n]
            gains.append(tuple(item.pop("gains").tolist()))
            assert_equal(item, plain[epoch, n])
    assert len(set(gains)) == 15
    assert "gains" not in open_("test", colour=0.4)[0]
    assert coloured.most_bytes() == plain.most_bytes() + 6 * 4


def test_evaluation_is_centred_unflipped_and_the_same_in_each_epoch(open_):
    test = open_("test", flip=1.0)
    first = [test[n] for n in range(3)]
    # 21, 5 and 16 frames: 14, 0 and 9 of room
    assert [numbers(item["frames"]) for item in first] == [[7, 9, 11, 13], [0, 2, 4, 4], [4, 6, 8, 10]]
    # 32 of a short side of 40 pixels; the long sides are 53.3, 53.3 and 60
    expected = [[0.2, 0.1, 0.8, 0.9], [0.2, 0.1, 0.8, 0.9], [0.1, 0.5 - 0.4 / 1.5, 0.9, 0.5 + 0.4 / 1.5]]
    np.testing.assert_allclose(boxes(test), expected, atol=1e-6)
    assert not any(item["flip"] for item in first)
    for n in range(3):
        assert_equal(test[5, n], first[n])


def test_views_are_spread_over_a_video(open_):
    test = open_("test", evaluation={"views": 2})
    assert len(test) == 6
    assert [(test[n]["row"].item(), numbers(test[n]["frames"])[0]) for n in range(6)] == [
        (0, 3), (0, 10), (1, 0), (1, 0), (2, 2), (2, 6),
    ]  # fmt: skip


def test_evaluation_may_start_at_random(open_):
    starts = {numbers(open_("test", seed=seed, evaluation={"start": "random"})[0]["frames"])[0] for seed in range(30)}
    assert len(starts) > 5
    assert max(starts) <= 21 - SPAN
    centre = open_("test", evaluation={"start": "random"})
    assert centre[0]["box"].tolist() == open_("test")[0]["box"].tolist()
    assert not centre[0]["flip"]


def rows(batches: list[dict[str, Tensor]]) -> list[list[int]]:
    return [batch["row"].tolist() for batch in batches]


def test_workers_change_nothing(open_):
    train = open_()
    train[0]  # the reader is in use before the workers start
    settings = {"seed": 4, "epoch": 1, "shuffle": True}
    alone, helped = list(loader(train, 2, workers=0, **settings)), list(loader(open_(), 2, workers=2, **settings))
    forked = list(loader(train, 2, workers=2, **settings))
    assert len(alone) == len(helped) == len(forked) == 2
    for one, other, third in zip(alone, helped, forked, strict=True):
        assert_same_clips(one, other)
        assert_same_clips(one, third)


def test_training_order_changes_with_epoch_and_seed_and_drops_the_incomplete_batch(open_):
    train = open_()
    orders = {}
    for seed, epoch in [(0, 0), (0, 1), (0, 2), (1, 0)]:
        order = rows(list(loader(train, 2, workers=0, seed=seed, epoch=epoch, shuffle=True)))
        assert [len(batch) for batch in order] == [2, 2]
        assert order == rows(list(loader(train, 2, workers=0, seed=seed, epoch=epoch, shuffle=True)))
        orders[seed, epoch] = [row for batch in order for row in batch]
        assert len(set(orders[seed, epoch])) == 4
    assert len({tuple(order) for order in orders.values()}) == 4
    assert {row for order in orders.values() for row in order} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("first", [0, 1, 2])
def test_an_epoch_goes_on_at_any_batch(open_, first: int, workers: int):
    train, settings = open_(), {"seed": 4, "epoch": 1, "shuffle": True, "workers": 0}
    whole = list(loader(train, 2, **settings))
    rest = list(loader(train, 2, **{**settings, "workers": workers}, first=first))
    assert len(rest) == 2 - first
    for one, other in zip(whole[first:], rest, strict=True):
        assert_same_clips(one, other)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("size", "shares"), [(2, 2), (4, 2), (3, 3), (6, 2)])
def test_the_shares_of_a_batch_are_its_slices(open_, size: int, shares: int, shuffle: bool, first: int):
    """Each clip as in the whole batch. Of a validation batch that is incomplete the first shares have more, or all."""
    train, settings = open_(), {"seed": 4, "epoch": 1, "shuffle": shuffle, "workers": 0, "first": first}
    whole = list(loader(train, size, **settings))
    parts = [list(loader(train, size, share=(rank, shares), **settings)) for rank in range(shares)]
    assert len(whole) == len(parts[0])
    for number, batch in enumerate(whole):
        own = [part[number] for part in parts if number < len(part)]
        assert_equal({name: torch.cat([each[name] for each in own]) for name in batch}, batch)
        assert all(len(each["row"]) == size // shares for each in own[:-1])


@pytest.mark.parametrize("first", [1, 2])
def test_an_epoch_that_goes_on_leaves_the_generator_alone(open_, first: int):
    """A number belongs to each epoch; the process before has drawn it."""
    torch.manual_seed(3)
    before = torch.get_rng_state()
    list(loader(open_(), 2, workers=0, shuffle=True, first=first))
    assert torch.equal(torch.get_rng_state(), before)
    list(loader(open_(), 2, workers=0, shuffle=True))
    assert not torch.equal(torch.get_rng_state(), before)


def test_items_are_those_of_the_epoch(open_):
    train = open_()
    first, second = (next(loader(train, 5, workers=0, epoch=epoch)) for epoch in (0, 1))
    assert first["row"].tolist() == second["row"].tolist()
    assert (first["box"] != second["box"]).any(dim=1).all()
    assert second["box"].tolist() == boxes(train, 1)


@pytest.mark.parametrize(("batch_size", "sizes"), [(2, [2, 2]), (5, [5]), (3, [3]), (8, [5])])
def test_num_batches_is_what_the_loader_gives(open_, batch_size, sizes):
    train = open_()
    batches = list(loader(train, batch_size, workers=0, shuffle=True))
    assert [len(batch["row"]) for batch in batches] == sizes
    assert num_batches(train, batch_size) == len(sizes)


def test_evaluation_keeps_the_order_and_the_incomplete_batch(open_):
    assert rows(list(loader(open_("test"), 2, workers=0))) == [[0, 1], [2]]


def test_clips_and_masks_of_a_batch_share_box_and_flip(open_):
    batch = next(loader(open_(), 4, workers=0, shuffle=True))
    clips, masks = clip_tensors(batch, 32), mask_tensors(batch, "masks", 4, "area")
    assert (clips.shape, masks.shape) == ((4, 3, 4, 32, 32), (4, 4, 4, 4))
    assert torch.equal(clips, resample_clips(batch["frames"], batch["box"], batch["flip"], 32))
    assert torch.equal(masks, resample_masks(batch["masks"], batch["box"], batch["flip"], 4, "area"))


def test_random_views_of_a_video_differ(open_):
    clips = open_("test", evaluation={"start": "random", "views": 6})
    assert len({numbers(clips[n]["frames"])[0] for n in range(6)}) > 1


@pytest.mark.parametrize(
    ("rows", "expected"),
    [(["a,train,5", "b,test,5"], "test"), (["a,train,5", "b,val,5"], "val"), (["a,train,5", "b,val,0"], "test")],
)
def test_trainings_are_watched_on_val_where_there_is_some(tmp_path: Path, rows: list[str], expected: str) -> None:
    lines = [f"{row},{5 * at}" for at, row in enumerate(rows)]
    (tmp_path / "videos.csv").write_text("\n".join(["video,split,frames,offset", *lines, ""]))
    assert validation_split(tmp_path) == expected


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_store_is_one_line_from_a_worker_too(
    stores: Path, tmp_path: Path, synthetic: Dataset, workers: int
) -> None:
    """The first clip, from which the loader takes the size of a batch, lies in another shard."""
    shutil.copytree(stores / "frames", tmp_path / "frames")
    (tmp_path / "frames/array.zarr/c.1.0.0.0").write_bytes(b"")
    params = synthetic.model_copy(update={"data": Data(**DATA)})
    dataset = open_split("train", params, tmp_path / "frames", None, seed=0)
    remedy = "make it again: `dvc repro -f -s STAGE`"
    with pytest.raises(ValueError, match=f"^{tmp_path}/frames: shard 1 is damaged; {remedy}$"):
        list(loader(dataset, 2, workers=workers))


def test_truth_of_all_frames_is_read_at_the_stored_ones(stores: Path, tmp_path: Path, synthetic: Dataset) -> None:
    """The masks' frames, with two blank ones behind each, are the truth of a store of every third frame."""
    masks, writer = StoreReader(stores / "masks"), StoreWriter(tmp_path, (2, 128, 128), frames_per_shard=32)
    for video, num_frames in (("e0", 21), ("e1", 5), ("e2", 16)):
        planes = np.zeros((3 * num_frames, 2, 128, 128), np.uint8)
        planes[::3] = masks.read_all(video)
        writer.append(planes, video=video)
    writer.close()
    decode = synthetic.decode.model_copy(update={"stride": 3})
    params = synthetic.model_copy(update={"data": Data(**DATA), "decode": decode})
    clips = open_split(
        "test",
        params,
        stores / "frames",
        stores / "masks",
        seed=0,
        evaluation=Eval(**EVAL),
        truth=truth_of(tmp_path, params.mask.groups),
    )
    for item in (clips[number] for number in range(len(clips))):
        assert item["masks"].any()
        assert torch.equal(item["truth"], item["masks"])


def test_truth_of_some_frames_with_a_threshold_and_groups_of_its_own(
    stores: Path, tmp_path: Path, synthetic: Dataset
) -> None:
    """Of e0 frames 0 to 9 are annotated: a person scores 0.75 in the upper half, another thing 1 in the left one."""
    planes = np.zeros((21, 2, 128, 128), np.uint8)
    planes[:, 0, :64], planes[:, 1, :, :64] = 192, 255
    write_truth(tmp_path / "truth", {"e0": planes}, [("e0", 0, 10)])
    evaluation = Eval(**EVAL)
    found = {}
    for least, groups in ((0.5, ["person"]), (0.9, ["person"]), (0.5, ["person", "other"])):
        for mask in ({"score_threshold": 0.5, "groups": ["person"]}, {"score_threshold": 1.0, "groups": ["other"]}):
            changed = {"data": Data(**DATA), "mask": synthetic.mask.model_copy(update=mask)}
            clips = open_split(
                "test", synthetic.model_copy(update=changed), stores / "frames", stores / "masks", seed=0,
                evaluation=evaluation, truth=truth_of(tmp_path / "truth", groups, least),
            )  # fmt: skip
            for number in range(len(clips)):
                item = clips[number]
                is_known = (item["frame_numbers"] < 10) & (clips.table["video"][int(item["row"])] == "e0")
                assert torch.equal(item["truth_known"], is_known)
                assert not item["truth"][~is_known].any()
                areas = item["truth"][is_known].float().mean(dim=(1, 2)).tolist()
                found.setdefault((least, len(groups)), set()).update(areas)
    assert found == {(0.5, 1): {0.5}, (0.9, 1): {0.0}, (0.5, 2): {0.75}}


def test_truth_of_all_frames_of_truncated_videos(tmp_path: Path, synthetic: Dataset) -> None:
    """Stored is every second frame. `cut` lost the end of its seven; its first frames are those of the truth."""
    (tmp_path / "frames").mkdir()
    writer = StoreWriter(tmp_path / "frames", (4, 4, 3), frames_per_shard=16)
    for video, num_frames, status in (("cut", 2, "truncated"), ("whole", 3, "ok")):
        row = {"label": "a", "split": "test", "status": status, "height": 4, "width": 4}
        writer.append(np.zeros((num_frames, 4, 4, 3), np.uint8), video=video, **row)
    writer.close()
    planes = np.zeros((7, 2, 128, 128), np.uint8)
    planes[2, 0] = 255  # the second stored frame
    truth = write_truth(tmp_path / "truth", {"cut": planes, "whole": planes[:6]})
    decode = synthetic.decode.model_copy(update={"stride": 2})
    params = synthetic.model_copy(update={"data": Data(**{**DATA, "frame_stride": 1}), "decode": decode})
    clips = open_split("test", params, tmp_path / "frames", None, seed=0, evaluation=Eval(**EVAL), truth=truth)
    assert [clips[at]["truth"].float().mean(dim=(1, 2)).tolist() for at in (0, 1)] == [[0, 1, 1, 1], [0, 1, 0, 0]]
