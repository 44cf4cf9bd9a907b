"""Compare implementations at matched budgets: list, match, train, time, judge."""
