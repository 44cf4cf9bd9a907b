"""The comparison of implementations: from a question to designs, which the engine trains.

compare.py         joins the parts: data, plan, designs, run folder, training
arguments.py       keywords beside the question, and the call as text
plan.py            the study that a question is for given data
resume.py          the study that a run folder holds, and how it differs from the planned one
implementations.py every way to fill a stack; family_grid.py the blocks of one family, study_heads.py the heads
matching.py        the widths at which all cost the same
design.py          the record of a matched implementation
"""
