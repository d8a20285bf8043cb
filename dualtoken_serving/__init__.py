"""The HTTP server machinery that both services run on. It imports neither."""
