"""Explanations: the maps of a trained run for any video."""
