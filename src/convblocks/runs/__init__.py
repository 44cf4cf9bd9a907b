"""The run folder: records, weights, locks, and loading a trained design."""
