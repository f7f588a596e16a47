"""`python -m nmt`, and what `torchrun -m nmt` starts."""

from nmt.cli import main

if __name__ == "__main__":
    main()
