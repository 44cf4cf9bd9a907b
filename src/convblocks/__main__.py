"""``python -m convblocks`` is the command ``convblocks``."""

from convblocks.cli import main

if __name__ == "__main__":
    main()
