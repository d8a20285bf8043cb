"""Reads requests, calls the use cases, writes answers."""
