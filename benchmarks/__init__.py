"""Ratios to peers on the same problem, with the accuracy of each side beside its time."""
