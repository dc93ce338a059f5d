"""Segmenters: one file a backend."""
