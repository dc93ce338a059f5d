"""Maps of one's own: the pipeline's numbers come out, and what is wrong is said in one line."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch

from objabn.config.schema import Dataset
from objabn.evaluation import metrics as measured
from objabn.evaluation.map_measures import map_measures
from objabn.evaluation.targets import Targets
from objabn.measures import arrays as metrics
from tests.helpers.core_only import BEYOND_CORE

ROOT = Path(__file__).parents[2]
FRAMES = ("entropy", "map_range", "pointing", "energy_inside", "iou_of_region", "iou_by_threshold")
WITH_TRUTH = ("pointing", "energy_inside", "iou_of_region", "iou_by_threshold")
OF_CLIPS = ("flat_share", "flicker")


def clips(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Maps of 3 clips of 6 frames, float32, and their truth; some frames have none, some maps are flat or faint."""
    draw = np.random.default_rng(seed)
    maps = draw.random((3, 6, 5, 7), dtype=np.float32)
    maps[0, :2] *= 0.04
    maps[1, 3] = 0.25
    truth = draw.random((3, 6, 5, 7)) < 0.2
    truth[:, 5] = truth[2] = False
    return maps, truth


def evaluated(maps: np.ndarray, truth: np.ndarray, synthetic: Dataset) -> dict[str, np.ndarray]:
    """The columns that an evaluation writes of these maps, as M_u."""
    mask, objects = torch.from_numpy(truth).float(), truth.any(axis=(2, 3))
    found = Targets({"truth": mask}, {"truth": mask}, np.ones_like(objects), objects, ~objects)
    columns = map_measures({"u": maps}, {}, found, synthetic.eval)
    return {name.removesuffix("_u"): values for name, values in columns.items()}


def test_clips_have_the_numbers_of_an_evaluation(synthetic: Dataset) -> None:
    maps, truth = clips()
    expected = evaluated(maps, truth, synthetic)
    found = metrics.measure_clips(maps, truth)
    assert set(found) == {name for name in expected if "_at_" not in name}
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
        assert np.isfinite(values[:2]).all(), name  # of the third clip, which has no truth, most are NaN
    assert metrics.FLAT_RANGES[2] == synthetic.eval.flat_range
    for least in metrics.FLAT_RANGES:
        given = metrics.measure_clips(maps, truth, flat_range=least)
        np.testing.assert_array_equal(given["entropy_object"], expected[f"entropy_object_at_{least:g}"])
    assert set(metrics.measure_clips(maps)) == {"entropy", "flat_share", "flicker"}


def test_frames_have_the_numbers_of_an_evaluation(synthetic: Dataset) -> None:
    maps, truth = clips(1)
    expected, objects = evaluated(maps, truth, synthetic), truth.any(axis=(2, 3))
    columns = {"pointing": "pointing", "energy_inside": "energy", "iou_of_region": "iou_truth",
               "iou_by_threshold": "iou_curve"}  # fmt: skip
    for name, column in columns.items():
        values = getattr(metrics, name)(maps, truth)
        assert values.shape[:2] == (3, 6)
        np.testing.assert_array_equal(np.isnan(values.reshape(3, 6, -1)).any(axis=2), ~objects)
        np.testing.assert_array_equal(metrics.mean_known(values, axis=1), expected[column], err_msg=name)
    np.testing.assert_array_equal(metrics.entropy(maps).mean(axis=1)[0], expected["entropy"][0])
    np.testing.assert_array_equal(metrics.flat_share(maps), expected["flat_share"])
    np.testing.assert_array_equal(metrics.flicker(maps), expected["flicker"])
    ranges = metrics.map_range(maps)[0][objects[0]]
    assert ranges.mean() == pytest.approx(expected["range"][0], abs=1e-12)


@pytest.mark.parametrize("name", FRAMES)
def test_a_single_map_gives_a_number_and_frames_are_measured_alone(name: str) -> None:
    maps, truth = (values[0, 1:4] for values in clips())
    given = [truth] if name in WITH_TRUTH else []
    measure = getattr(metrics, name)
    whole = measure(maps, *given)
    assert whole.dtype == np.float64
    for frame in range(3):
        one = measure(maps[frame], *(each[frame] for each in given))
        assert one.shape == ((19,) if name == "iou_by_threshold" else ())
        assert name == "iou_by_threshold" or isinstance(one, float)
        np.testing.assert_array_equal(one, whole[frame])


def test_lists_and_tensors_are_arrays() -> None:
    maps, truth = clips()
    for name in FRAMES:
        measure, given = getattr(metrics, name), [truth] if name in WITH_TRUTH else []
        expected = measure(maps, *given)
        np.testing.assert_array_equal(measure(maps.tolist(), *(each.tolist() for each in given)), expected)
        asking = torch.from_numpy(maps).requires_grad_()
        np.testing.assert_array_equal(measure(asking, *(torch.from_numpy(each) for each in given)), expected)
    assert metrics.map_range(torch.tensor([[0.5, 1.0]], dtype=torch.bfloat16)) == 0.5


def test_settings_of_the_entropy() -> None:
    maps = np.array([[0.0, 0.03, 0.01, 0.02]])
    assert metrics.entropy(maps) == pytest.approx(2)
    assert np.isnan(metrics.entropy(maps, flat_range=0.05))
    assert metrics.entropy(maps, bins=2) == pytest.approx(1)
    assert metrics.entropy(maps, size=2) == measured.map_entropy(maps, 1e-6, size=2) != 2
    assert np.isnan(metrics.entropy(np.full((2, 2), 0.3)))


def test_steps_are_repeated_for_their_frames() -> None:
    """As the network's own: `model.interface.frame_maps`."""
    from objabn.model.interface import frame_maps

    maps = clips()[0].astype(np.float64)
    for num_frames in (6, 7, 16):
        expected = frame_maps(torch.from_numpy(maps)[:, None], num_frames)[:, 0].numpy()
        np.testing.assert_array_equal(metrics.frame_maps(maps, num_frames), expected)


RAGGED = "expected an array, a tensor, or nested lists of equal lengths, got a list that is none"
SMALL, BIT = [[0.2, 0.8]], [[True, False]]
FAULTS = {
    "no numbers": (["a", "b"], "maps: expected numbers, got the dtype <U1"),
    "complex": (np.ones((1, 2), complex), "maps: expected numbers, got the dtype complex128"),
    "ragged": ([[1, 2], [3]], f"maps: {RAGGED}"),
    "tensors that ask": ([torch.ones(2, requires_grad=True)], f"maps: {RAGGED}"),
    "a row": ([0.2, 0.8], "maps: expected (..., h, w), no axis empty, got the shape (2,)"),
    "no cell": (np.ones((3, 0, 2)), "maps: expected (..., h, w), no axis empty, got the shape (3, 0, 2)"),
    "nan": ([[0.2, np.nan]], "maps: expected finite numbers, got 1 of 2 that are NaN or infinite"),
    "infinite": ([[np.inf, -np.inf]], "maps: expected finite numbers, got 2 of 2 that are NaN or infinite"),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_maps(name: str, fault: str) -> None:
    maps, line = FAULTS[fault]
    with pytest.raises(ValueError, match="maps") as error:
        getattr(metrics, name)(maps, *([BIT] if name in WITH_TRUTH else []))
    assert str(error.value) == line


@pytest.mark.parametrize("name", WITH_TRUTH)
@pytest.mark.parametrize(
    ("truth", "got"),
    [
        ([[1, 0]], "int64 of (1, 2)"),
        ([[1.0, 0.0]], "float64 of (1, 2)"),
        ([True, False], "bool of (2,)"),
        ([[True], [False]], "bool of (2, 1)"),
        (None, "object of ()"),
    ],
)
def test_faults_of_truth(name: str, truth: object, got: str) -> None:
    with pytest.raises(ValueError, match="truth") as error:
        getattr(metrics, name)(SMALL, truth)
    assert str(error.value) == f"truth: expected bool of the maps' shape (1, 2), got {got}"


def clip(*values: float) -> np.ndarray:
    """One clip, each frame a cell."""
    return np.array(values)[None, :, None, None]


def test_faults_of_ranges() -> None:
    """A map that runs to 255 would be all of it attended region; where only the order counts, it may."""
    bytes_of_a_map, below = [[0.0, 255.0]], [[-0.25, 1.0]]
    wide = "maps: expected values in [0, 1], got values from 0 to 255"
    for call in (
        lambda: metrics.iou_of_region(bytes_of_a_map, BIT),
        lambda: metrics.flat_share([bytes_of_a_map]),
        lambda: metrics.flicker([bytes_of_a_map]),
        lambda: metrics.measure_clips([[bytes_of_a_map]]),
        lambda: metrics.map_replacement([[bytes_of_a_map]], lambda maps: [1]),
    ):
        with pytest.raises(ValueError, match="maps") as error:
            call()
        assert str(error.value) == wide
    with pytest.raises(ValueError, match=r"^maps: expected no value below 0, got values from -0.25 to 1$"):
        metrics.energy_inside(below, BIT)
    assert metrics.energy_inside(bytes_of_a_map, BIT) == 0
    assert metrics.entropy(bytes_of_a_map) == metrics.entropy(below) == 1
    assert metrics.pointing(below, BIT) == 0
    assert metrics.iou_of_region([[1 + 1e-7, 0.0]], BIT) == 1  # rounding


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: metrics.entropy(SMALL, flat_range=0), "flat_range: expected a number above 0, got 0"),
        (lambda: metrics.entropy(SMALL, flat_range="x"), "flat_range: expected a number above 0, got 'x'"),
        (lambda: metrics.entropy(SMALL, flat_range=[0.1]), "flat_range: expected a number above 0, got [0.1]"),
        (lambda: metrics.entropy(SMALL, bins=None), "bins: expected a whole number from 2 on, got None"),
        (lambda: metrics.entropy(SMALL, bins=np.inf), "bins: expected a whole number from 2 on, got inf"),
        (lambda: metrics.entropy(SMALL, size=np.nan), "size: expected a whole number from 1 on, got nan"),
        (lambda: metrics.entropy(SMALL, size=np.ones((40, 2))),
         "size: expected a whole number from 1 on, got " + " ".join(["[[1. 1.]", *["[1. 1.]"] * 10])[:80] + "..."),
        (lambda: metrics.pointing(SMALL, [[True], []]), f"truth: {RAGGED}"),
        (lambda: metrics.entropy(SMALL, bins=1), "bins: expected a whole number from 2 on, got 1"),
        (lambda: metrics.entropy(SMALL, size=0), "size: expected a whole number from 1 on, got 0"),
        (lambda: metrics.flat_share([SMALL], flat_range=np.nan), "flat_range: expected a number above 0, got nan"),
        (lambda: metrics.flat_share(SMALL), "maps: expected (..., T, h, w), no axis empty, got the shape (1, 2)"),
        (lambda: metrics.flicker(SMALL), "maps: expected (..., T, h, w), no axis empty, got the shape (1, 2)"),
        (lambda: metrics.frame_maps([SMALL] * 4, 3), "num_frames: expected a whole number from 4 on, got 3"),
        (lambda: metrics.frame_maps([SMALL], 2.5), "num_frames: expected a whole number from 1 on, got 2.5"),
        (lambda: metrics.measure_clips([SMALL]), "maps: expected (B, T, h, w), no axis empty, got the shape (1, 1, 2)"),
        (lambda: metrics.measure_clips([[SMALL]], [BIT]),
         "truth: expected bool of the maps' shape (1, 1, 1, 2), got bool of (1, 1, 2)"),
        (lambda: metrics.measure_clips([[SMALL]], flat_range=-1), "flat_range: expected a number above 0, got -1"),
    ],
)  # fmt: skip
def test_faults_of_settings_and_clips(call, line: str) -> None:
    with pytest.raises(ValueError, match="expected") as error:
        call()
    assert str(error.value) == line


def test_the_old_names_are_the_old_functions() -> None:
    names = {name for name in vars(measured) if not name.startswith("_") and name not in ("F", "math", "np", "torch")}
    assert names <= set(metrics.__all__) == set(metrics.__all__) & set(dir(metrics))
    checked = {"flicker", "map_range"}
    assert {name for name in names if getattr(metrics, name) is not getattr(measured, name)} == checked
    maps = clips()[0]
    for name in checked:
        np.testing.assert_array_equal(getattr(metrics, name)(maps), getattr(measured, name)(maps))


def libraries(module: str, *, when_asked: bool) -> set[str]:
    """Top-level names of all that a module of ours imports, directly or not; `when_asked`: within functions, too."""
    found: set[str] = set()
    todo, done = {module}, set()
    while todo:
        name = todo.pop()
        done.add(name)
        path = ROOT / name.replace(".", "/")
        tree = ast.parse(
            (path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py").read_text()
        )
        nodes = ast.walk(tree) if when_asked else tree.body
        for node in nodes:
            imports = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                below = [f"{node.module}.{alias.name}" for alias in node.names]
                imports = [
                    node.module or "",
                    *(each for each in below if (ROOT / f"{each.replace('.', '/')}.py").is_file()),
                ]
            ours = {each for each in imports if each.startswith("objabn")}
            found |= {each.split(".")[0] for each in imports} - {"objabn"}
            todo |= ours - done
    return found


def test_the_packages_core_is_enough_and_imports_are_few() -> None:
    at_once = libraries("objabn.measures.arrays", when_asked=False)
    assert {"numpy", "torch"} <= at_once
    assert not at_once & {"pytorchvideo", "torchvision", "pydantic", "cv2", *BEYOND_CORE}
    later = libraries("objabn.measures.arrays", when_asked=True)
    assert "torchvision" in later
    assert not later & {"pytorchvideo", *BEYOND_CORE}
