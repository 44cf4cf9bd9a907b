"""Comparison of designs, evidence, recommendation and the sentences for them; no torch.

scores.py          contributions of each example to a design's score
estimates.py       intervals for scores and paired differences, over seeds and examples
comparison.py      one design against the best: runs, scores, costs, verdict
depth_effect.py    the effect of a deeper stack
evidence.py        if the data suffice for a recommendation, and what would
run_origins.py     runs that ended early, or come from several machines
recommendation.py  the recommendation in words
summary.py         the Summary of all of it
answer.py          summary.json and the reports of a run folder
"""
