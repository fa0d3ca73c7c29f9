"""Who we are: credentials, and what becomes of them in the `Authorization` header of one request."""
