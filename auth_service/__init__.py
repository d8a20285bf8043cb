"""Issues, rotates and revokes tokens."""
