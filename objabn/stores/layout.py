"""Create and open the Zarr array of a store.

The array is one sharded Zarr v3 array, so Zarr reads every store. This is the only module that imports zarr; shards are
written and read by `shards`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from zarr.abc.codec import ArrayBytesCodec
from zarr.codecs import BytesCodec, Crc32cCodec, ZstdCodec
from zarr.registry import register_codec

from objabn.stores.table import ARRAY, DESCRIPTION, REMEDY


@dataclass(frozen=True)
class JpegCodec(ArrayBytesCodec):
    """A Zarr v3 codec that keeps each frame as a baseline JPEG file (imagecodecs).

    A chunk is one RGB frame, uint8 (1, H, W, 3).
    """

    quality: int = 95
    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: Any) -> "JpegCodec":
        return cls(**data.get("configuration", {}))

    def to_dict(self) -> Any:
        return {"name": "objabn.jpeg", "configuration": {"quality": self.quality}}

    async def _encode_single(self, chunk_array: Any, chunk_spec: Any) -> Any:
        import imagecodecs

        image = np.ascontiguousarray(chunk_array.as_numpy_array()[0])
        return chunk_spec.prototype.buffer.from_bytes(bytes(imagecodecs.jpeg8_encode(image, level=self.quality)))

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        import imagecodecs

        image = imagecodecs.jpeg8_decode(chunk_bytes.to_bytes())
        return chunk_spec.prototype.nd_buffer.from_numpy_array(image.reshape(chunk_spec.shape))

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        raise NotImplementedError("the size of a JPEG file is known only once it is written")


register_codec("objabn.jpeg", JpegCodec)


@dataclass(frozen=True)
class Layout:
    """What the description of a store's array (zarr.json) says."""

    array: Any
    item_shape: tuple[int, ...]
    per_chunk: int  # frames
    per_shard: int
    quality: int | None  # of jpeg; None: zstd
    level: int | None  # of zstd; None: jpeg
    has_checksums: bool  # of each chunk
    shard_file: Callable[[int], Path]
    attributes: Mapping[str, Any]


def create_array(
    store: Path,
    item_shape: Sequence[int],
    *,
    codec: str,
    quality: int,
    level: int,
    frames_per_chunk: int,
    frames_per_shard: int,
) -> None:
    """Write the description of an array of no frames; arguments as for `StoreWriter`."""
    chunk = 1 if codec == "jpeg" else frames_per_chunk
    zarr.create_array(
        store / ARRAY,
        shape=(0, *item_shape),
        chunks=(chunk, *item_shape),
        shards=(frames_per_shard, *item_shape),
        dtype="uint8",
        serializer=JpegCodec(quality) if codec == "jpeg" else BytesCodec(),
        compressors=(*(() if codec == "jpeg" else (ZstdCodec(level=level),)), Crc32cCodec()),
        fill_value=0,
        chunk_key_encoding={"name": "default", "separator": "."},  # no folders: DVC counts each as a file
    )


def open_layout(store: Path, mode: Literal["r", "r+"] = "r") -> Layout:
    """Open the array of a store by its description.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    try:
        array: Any = zarr.open_array(store / ARRAY, mode=mode)
        codecs = array.metadata.codecs[0].codecs
        return Layout(
            array,
            array.shape[1:],
            array.chunks[0],
            array.shards[0],
            next((each.quality for each in codecs if isinstance(each, JpegCodec)), None),
            next((each.level for each in codecs if isinstance(each, ZstdCodec)), None),
            isinstance(codecs[-1], Crc32cCodec),
            partial(_shard_file, store, array),
            array.attrs.asdict(),
        )
    except FileNotFoundError:
        raise ValueError(f"{store}: expected a store with {ARRAY}, found none") from None
    except Exception as error:  # Zarr raises half a dozen types for a description that it cannot read
        raise ValueError(f"{store}: {ARRAY}/{DESCRIPTION} is damaged; {REMEDY}") from error


def finish_array(layout: Layout, num_frames: int, attributes: dict[str, Any]) -> None:
    """Write into the description how many frames there are, and these attributes."""
    layout.array.resize((num_frames, *layout.item_shape))
    layout.array.update_attributes(attributes)


def _shard_file(store: Path, array: Any, shard: int) -> Path:
    return store / ARRAY / array.metadata.encode_chunk_key((shard, *[0] * (array.ndim - 1)))
