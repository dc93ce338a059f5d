"""Clips: frame and mask stores become batches of a data set."""
