"""Turns that live apart from the connection that began them: their state, events and readers."""
