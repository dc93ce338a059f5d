"""How threads wait for each other on a CPU that other processes use too."""

import os

_POLICY = "OMP_WAIT_POLICY"


def wait_passively() -> None:
    """Let OpenMP's threads sleep while they wait for each other, here and in processes that this one starts.

    By default a thread that waits keeps its core busy. On a busy machine the one that it waits for then has none. The
    number of threads, which determines the last bits of sums, stays as it is. OpenMP reads the variable as torch is
    loaded, so a program calls this first. A value that the user has set stays.
    """
    os.environ.setdefault(_POLICY, "PASSIVE")
