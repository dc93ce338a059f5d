from pathlib import Path

import pandas as pd

from objabn.report import comparison, draw_table, to_markdown

RESULTS = {
    ("abn", False): {"top1": 50.0, "top5": 90.0, "entropy_u": 2.7512, "flat_share_u": 0.0},
    ("mask", True): {"top1": 62.5, "top5": 95.0, "entropy_o": 1.25, "flat_share_o": 0.01, "new_metric": 3.0},
}


def test_rows_and_columns_stand_in_the_papers_order() -> None:
    table = comparison(RESULTS)
    assert table[["attention", "pc"]].to_numpy().tolist() == [["abn", False], ["mask", True]]
    assert list(table)[2:] == ["top1", "top5", "entropy_u", "entropy_o", "flat_share_u", "flat_share_o", "new_metric"]
    assert table["entropy_u"].isna().tolist() == [False, True]


def test_markdown_by_hand() -> None:
    text = to_markdown(comparison(RESULTS), "made", {"frames": 10.0, "iou_truth": 0.8452}, [0, 1])
    lines = text.splitlines()
    assert lines[0] == "# made: comparison of loss configurations"
    assert lines[2] == "| attention | PC | top-1 % | top-5 % | entropy M_u | entropy M_o | flat M_u | flat M_o |"
    assert lines[4] == "| abn |  | 50.00 | 90.00 | 2.751 |  | 0.000 |  |"
    assert lines[5] == "| mask | yes | 62.50 | 95.00 |  | 1.250 |  | 0.010 |"
    assert lines[-1] == "Seeds: 0, 1. Masks: frames 10, iou_truth 0.8452."


def test_spread_over_seeds_stands_beside_the_mean() -> None:
    results = {("abn", False): {"top1": 50.0, "top1_std": 2.5, "entropy_u": 2.0, "entropy_u_std": 0.125}}
    assert "| abn |  | 50.00 ± 2.50 | 2.000 ± 0.125 |" in to_markdown(comparison(results), "made", {}, [0, 1])


def test_the_csv_reads_back(tmp_path: Path) -> None:
    table = comparison(RESULTS)
    table.to_csv(tmp_path / "t.csv", index=False)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), table)


def test_the_picture_is_written(tmp_path: Path) -> None:
    draw_table(comparison(RESULTS), "made", tmp_path / "t.png")
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
