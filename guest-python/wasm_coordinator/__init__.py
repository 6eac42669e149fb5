"""The Python guest: what runs inside the sandbox around agent code.

It holds nothing secret and guards nothing: code of the session can change all
of it, and hurts only its own session by doing so. The host is the guard.
"""
