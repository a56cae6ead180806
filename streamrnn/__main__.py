"""`python -m streamrnn` is the console script."""

from streamrnn.cli import main

main()
