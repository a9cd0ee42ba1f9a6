"""Adapters of `backplane.Backplane`, one file each. `wiring` chooses one."""
