"""The databases that an index can be in: how each is started, and the best loop of its own client."""
