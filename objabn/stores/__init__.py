"""Stores on disk: the Zarr array, the table of videos, frames, and masks (Eq. 2)."""
