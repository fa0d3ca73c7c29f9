"""Where people run the crawler: what to apply there, made from the configuration in hand.

Each platform's file makes text from a `Deployment`; the templates beside it hold what is the same for everybody.
Nothing here writes a file, sends a request, or shows what is in a secret file.
"""
