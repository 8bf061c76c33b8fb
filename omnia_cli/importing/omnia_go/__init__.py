"""Resources of the Go Omnia, which have our group, version and kinds, in two other shapes."""
