"""The door of the console: what a page asks beyond a description."""
