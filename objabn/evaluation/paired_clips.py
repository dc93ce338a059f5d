"""Clips beside those of their partners, whose maps or background they are shown with instead of their own."""

from torch.utils.data import Dataset as TorchDataset

from objabn.clips.batches import Batch
from objabn.clips.dataset import ClipDataset
from objabn.clips.partners import partners


class PairedClips(TorchDataset[Batch]):
    """The clips of a data set, each with its partner's of the same view: an item's `other_*` beside its own."""

    def __init__(self, dataset: ClipDataset) -> None:
        self.dataset = dataset
        self.partners = partners(dataset.labels)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, item: int) -> Batch:
        number, view = divmod(item, self.dataset.views)
        other = self.dataset[int(self.partners[number]) * self.dataset.views + view]
        return self.dataset[item] | {f"other_{name}": value for name, value in other.items()}
