"""Everything that a release consists of, built from one commit: `make release VERSION=1.2.3`."""
