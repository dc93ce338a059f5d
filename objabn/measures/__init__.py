"""Measure attention maps, whoever made them: `from objabn import metrics`, which is `objabn.measures.arrays`."""
