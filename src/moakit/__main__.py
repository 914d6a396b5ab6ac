"""The command line as `python -m moakit`, where the command `moa` is not on the path."""

from moakit.cli import main

if __name__ == "__main__":
    main()
