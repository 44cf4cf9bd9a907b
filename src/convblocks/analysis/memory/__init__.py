"""The memory that training takes: saved.py has what waits for backward, timeline.py a whole step, op by op."""
