"""Decoding: registered videos become the frame store."""
