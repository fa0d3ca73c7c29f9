"""Builds the house from a `Config`, runs it, and turns what happened into a `RunManifest`."""
