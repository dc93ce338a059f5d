"""A trained run as a folder that stands alone, with a model card: for a colleague, or for a hub."""
