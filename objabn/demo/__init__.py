"""The demo: a local page on which people give a video to a network and move through its maps."""
