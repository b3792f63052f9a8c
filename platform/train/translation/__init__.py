"""Translations of a split, and how near they are to those that people wrote."""
