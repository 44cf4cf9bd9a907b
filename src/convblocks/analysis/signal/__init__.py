"""What real tensors tell of a module: norms and rates, symptoms and their fixes, shattering, probes."""
