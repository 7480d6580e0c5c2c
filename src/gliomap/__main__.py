"""``python -m gliomap`` is the command line."""

from gliomap.cli import main

if __name__ == "__main__":
    main()
