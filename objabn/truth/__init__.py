"""Boxes and masks that people have drawn become a store of ground truth; one reader a module. No stage uses it."""
