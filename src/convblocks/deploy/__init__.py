"""Ways out of convblocks: standalone code."""
