"""``python -m convblocks`` is the command ``convblocks``."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        # python -m puts the working directory first, where a file beside the data may have a library's name
        del sys.path[0]
    from convblocks.cli import main

    main()
