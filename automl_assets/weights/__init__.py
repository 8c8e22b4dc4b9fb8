"""Pretrained weights: which are known, where they lie, how they get here. Not here: what reads texts or images by them."""
