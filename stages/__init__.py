"""Stages of the pipeline: each parses arguments, loads parameters, calls `objabn` and writes outputs.

`python -m stages.<stage> --help`. A stage imports what is heavy after it has validated its arguments and parameters.
"""
