"""Verifies access tokens; serves what they protect."""
