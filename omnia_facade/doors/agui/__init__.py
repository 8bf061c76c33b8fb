"""AG-UI 1.0, the protocol between agents and their frontends: https://docs.ag-ui.com."""
