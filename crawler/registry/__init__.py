"""Questions of the distribution protocol to one registry."""
