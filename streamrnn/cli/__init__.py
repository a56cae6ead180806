"""The command line: it wires parts together and holds no logic of learning or delivery."""

from streamrnn.cli.entry import main as main
