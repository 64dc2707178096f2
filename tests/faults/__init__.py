"""Disks that fail, processes that are killed, files that are damaged: `make faults`."""
