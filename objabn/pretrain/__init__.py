"""Pretraining: the embedded data's own backbone and segmenter."""
