"""Who answers a turn: the runtime, or one of the two built-in handlers."""
