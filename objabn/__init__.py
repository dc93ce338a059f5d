"""Object-ABN: sharp attention maps for action recognition, as a reproducible DVC pipeline."""

__version__ = "0.1.0"
