"""``python -m gliofield`` is the command line."""

from gliofield.cli import main

if __name__ == "__main__":
    main()
