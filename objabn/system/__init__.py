"""What every package needs of the machine: files, digests, locks, the side cache, memory."""
