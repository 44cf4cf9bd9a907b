"""What leaves convblocks: standalone code."""
