"""Issues, rotates and revokes tokens."""

__version__ = "0.1.0"
