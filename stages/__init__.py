"""Stages of the pipeline: each parses arguments, loads parameters, calls `objabn` and writes outputs."""
