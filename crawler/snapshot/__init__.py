"""A run on disk: begun and journaled under `.unfinished/`, resumed after a kill, published in one rename."""
