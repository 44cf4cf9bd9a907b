"""What training a module takes: saved.py what waits for backward, timeline.py a whole step, op by op."""
