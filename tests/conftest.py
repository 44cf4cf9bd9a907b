"""What all tests start with."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A script's & starts what it runs with Ctrl-C ignored, and so would every process that a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["tests.made_records"]
