"""Training of designs: local worker processes, one trial each, and the watcher that follows them."""
