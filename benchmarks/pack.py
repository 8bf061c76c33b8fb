"""The pack of the agents that are measured."""

PACK = {
    "id": "support",
    "name": "Support",
    "version": "1.0.0",
    "template_engine": {"version": "v1", "syntax": "{{variable}}"},
    "prompts": {
        "main": {
            "id": "main",
            "name": "Main",
            "version": "1.0.0",
            "system_template": "You help customers of a shop.",
        }
    },
}
