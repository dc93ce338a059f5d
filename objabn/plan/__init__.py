"""The planner: what a run will cost on this machine."""
