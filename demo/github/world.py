"""The world decides what one stand-in for GitHub is: all it remembers and all that people can do in it."""

from demo.github.seeds import Seeds


class World(Seeds):
    """One GitHub, in memory, with real bare repositories below `root`; see `demo.github` for an example."""
