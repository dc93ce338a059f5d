"""Turn frame and mask stores into clips, and clips into batches."""
