"""Evaluation: what is measured of a trained network, video by video."""
