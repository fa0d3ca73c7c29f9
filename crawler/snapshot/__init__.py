"""A run's life on disk: begun and journaled under `.unfinished/`, maybe resumed, published in one rename."""
