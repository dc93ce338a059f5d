"""Training: losses, schedule, the training loop, and its checkpoints."""
