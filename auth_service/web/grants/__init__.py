"""The grants of the token endpoint (RFC 6749 §4 and §6), one module each.

Each has ``GRANT_TYPE``; ``is_served(settings)``; and ``grant(request, body)``, which answers.
"""
