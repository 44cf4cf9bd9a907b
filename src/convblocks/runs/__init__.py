"""The run folder: records, weights, locks, and loading a trained design.

store.py            RunFolder, the one writer: what lies where, and what may be written
record_files.py     files of records, one JSON object a line, checked when they are read
envelope.py         a record as text, with its study's digest and its checksum
validation.py       rules for records beyond their types
lock.py             locks on files, against a second compare
shared_examples.py  one copy of the examples for all workers
trained.py          load: a trained design back as a module
"""
