"""A `Config` becomes a run; what happened becomes a `RunManifest`."""
