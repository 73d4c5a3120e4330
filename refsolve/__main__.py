"""`python -m refsolve` is the command `refsolve`."""

from refsolve.cli.main import main

if __name__ == "__main__":
    main()
