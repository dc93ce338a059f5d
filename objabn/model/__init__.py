"""The network: X3D with an attention branch, and the directory of a trained run."""
