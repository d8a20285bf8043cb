"""Load against both services by clients as they really are: one session, one refresh for all, one replay."""
