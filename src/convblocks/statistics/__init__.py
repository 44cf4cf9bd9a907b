"""Comparison of designs, evidence, recommendation and the sentences for them; no torch."""
