"""Segmentation: the frame store becomes the mask store."""
