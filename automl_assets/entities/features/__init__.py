"""Texts as tokens, and tokens as what an algorithm sees of them."""
