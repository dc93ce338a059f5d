"""Clips beside those of their partners, whose maps or background they are shown with instead of their own."""

from torch.utils.data import Dataset as TorchDataset

from objabn.clips.batches import Batch
from objabn.clips.dataset import ClipDataset
from objabn.clips.partners import partners


class PairedClips(TorchDataset[Batch]):
    """The clips of a data set, each with its partner's of the same view: an item's `other_*` beside its own.

    Args:
        masks: False leaves out, and does not read, the partners' masks and truth.

    Raises:
        ValueError: there are fewer than two videos.
    """

    def __init__(self, dataset: ClipDataset, *, masks: bool = True) -> None:
        self.dataset = dataset
        self._others = dataset if masks else dataset.without_masks()
        self.partners = partners(dataset.labels)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, at: int | tuple[int, int]) -> Batch:
        epoch, item = at if isinstance(at, tuple) else (0, at)
        number, view = divmod(item, self.dataset.views)
        own = self.dataset[epoch, item]
        other = self._others[epoch, int(self.partners[number]) * self.dataset.views + view]
        return own | {f"other_{name}": value for name, value in other.items()}

    def most_bytes(self) -> int:
        """Compute the bytes of the largest item, all frames cut to the crops."""
        return self.dataset.most_bytes() + self._others.most_bytes()


def other_clips(batch: Batch) -> Batch:
    """Return the partners' part of a batch of `PairedClips`.

    It has the names that a clip's own parts have.
    """
    return {name.removeprefix("other_"): value for name, value in batch.items() if name.startswith("other_")}
