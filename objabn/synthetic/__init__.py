"""Synthetic videos: the embedded data and its ground-truth masks."""
