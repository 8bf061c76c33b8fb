"""A pack that has every key of the format, 1.0 to 1.9."""

from omnia_core.jsonvalue import JsonObject

VARIABLE: JsonObject = {
    "name": "tier",
    "type": "string",
    "required": False,
    "default": "gold",
    "description": "The customer's tier.",
    "example": "silver",
    "validation": {"pattern": "^[a-z]+$", "min_length": 0, "max_length": 9, "enum": ["gold"]},
    "binding": {"kind": "context", "field": "tier", "auto_populate": True, "filter": "trim"},
}
COUNT: JsonObject = {
    "name": "count",
    "type": "number",
    "required": False,
    "default": 0,
    "validation": {"minimum": -1.5, "maximum": 9},
}
PARAMETERS: JsonObject = {
    "temperature": 0,
    "max_tokens": 1,
    "top_p": 1.0,
    "top_k": 40,
    "frequency_penalty": -2,
    "presence_penalty": 2,
}
EVAL: JsonObject = {
    "id": "tone",
    "type": "llm_judge",
    "trigger": "on_workflow_step",
    "description": "How it sounds.",
    "sample_percentage": 12.5,
    "enabled": True,
    "params": {"any": ["thing"]},
    "metric": {
        "name": "ns:tone_score",
        "type": "gauge",
        "range": {"min": 0, "max": 1},
        "unit": "points",
    },
    "threshold": {"operator": "gte", "value": 0.8},
    "message": "The tone is off.",
    "when": {"turn_count_gte": 3},
    "groups": ["quality"],
    "extensions": {"acme/owner": "x"},
}
MEDIA: JsonObject = {
    "enabled": True,
    "supported_types": ["image", "audio", "video", "document", "model3d"],
    "image": {
        "max_size_mb": 1,
        "allowed_formats": ["jpeg", "png"],
        "default_detail": "low",
        "require_caption": False,
        "max_images_per_msg": 2,
    },
    "audio": {"max_size_mb": 2, "allowed_formats": ["mp3"], "max_duration_sec": 60},
    "video": {"max_size_mb": 3, "require_metadata": True},
    "document": {"max_pages": 5, "require_metadata": False, "extraction_mode": "raw"},
    "model3d": {"max_size_mb": 5, "validation_params": {"max_vertices": 9}},
    "examples": [
        {
            "name": "photo",
            "description": "A photo.",
            "role": "user",
            "parts": [
                {"type": "text", "text": "What is this?"},
                {
                    "type": "image",
                    "media": {
                        "mime_type": "image/png",
                        "file_path": "a.png",
                        "detail": "high",
                        "caption": "c",
                    },
                },
            ],
        }
    ],
}
PROMPT: JsonObject = {
    "id": "help",
    "name": "Help",
    "version": "v1.2.3-rc.1+build.5",
    "description": "Helps.",
    "system_template": "{{tone}} {{fragments.tone}} {{fragment:tone}} {{tier}} {{count}}",
    "variables": [VARIABLE, COUNT],
    "tools": ["lookup", "get_*"],
    "tool_policy": {
        "tool_choice": "required",
        "max_rounds": 1,
        "max_tool_calls_per_turn": 1,
        "blocklist": ["drop"],
    },
    "pipeline": {"stages": ["template"], "middleware": [{"type": "provider", "config": {"a": 1}}]},
    "parameters": PARAMETERS,
    "validators": [
        {
            "id": "short",
            "type": "max_length",
            "enabled": True,
            "message": "Too long.",
            "fail_on_violation": True,
            "params": {"max_characters": 100},
            "extensions": {},
        }
    ],
    "evals": [EVAL],
    "tested_models": [
        {
            "provider": "openai",
            "model": "m",
            "date": "2026-01-31",
            "success_rate": 0.5,
            "avg_tokens": 1.5,
            "avg_cost": 0,
            "avg_latency_ms": 10,
            "notes": "n",
        }
    ],
    "model_overrides": {
        "m": {
            "system_template_prefix": "<",
            "system_template_suffix": ">",
            "system_template": "{{tier}}",
            "parameters": {"temperature": 2},
        }
    },
    "media": MEDIA,
    "provider": "judge",
    "extensions": {"acme/note": [1]},
}
GOVERNANCE: JsonObject = {
    "vocabularies": {"acme": "https://acme.example/v#"},
    "intended_purpose": "p",
    "foreseeable_misuse": ["m"],
    "autonomy_level": "acts_with_oversight",
    "accountable_owner": "team",
    "operator_role": "eu-aiact:AIProvider",
    "risk_classification": "low",
    "intended_deployment_contexts": ["c"],
    "capabilities": ["c"],
    "approved_environments": ["staging"],
    "requires_ai_disclosure": True,
    "extensions": {"x": 1},
    "independent_of": {"axes": ["model", "tools"], "enforcement": "strict"},
    "obligations": [
        {
            "id": "o",
            "obligation": "x",
            "applies_to": {"capability": "c", "data_class": "d", "risk_classification": "r"},
            "controls": [{"validator": "short"}],
            "note": "n",
            "extensions": {},
        }
    ],
    "reviews": [
        {
            "id": "r",
            "type": "t",
            "cadence": "P3M",
            "owner": "o",
            "satisfies": ["o"],
            "eval": "tone",
            "extensions": {},
        }
    ],
}
STEPS: list[JsonObject] = [
    {
        "id": "one",
        "kind": "prompt",
        "description": "First.",
        "prompt_task": "help",
        "provider": "default",
        "input": "${input.text}",
        "output_schema": "#/a",
        "modifiers": {"retry": {"max_attempts": 2}, "eval": ["tone"]},
    },
    {
        "id": "two",
        "kind": "agent",
        "depends_on": ["one"],
        "prompt_task": "help",
        "input": {"a": "${one.output.x}"},
        "tools": [],
        "termination": {"max_steps": 3, "tool_called": "lookup"},
    },
    {"id": "three", "kind": "tool", "tool": "lookup", "args": {"id": "${input.id}"}},
    {
        "id": "four",
        "kind": "branch",
        "predicate": {
            "all_of": [
                {"path": "${one.output.x}", "op": "in", "value": ["a"]},
                {"any_of": [{"path": "${input.y}", "exists": False}]},
                {"not": {"path": "${input.z}", "op": "equals", "value": None}},
            ]
        },
        "then": "three",
        "else": "two",
    },
    {
        "id": "five",
        "kind": "parallel",
        "branches": [
            {"id": "left", "kind": "tool", "tool": "lookup"},
            {"id": "right", "kind": "acme.judge", "anything": {"at": "all"}},
        ],
        "reduce": {"strategy": "append", "into": "all"},
    },
]
WHOLE: JsonObject = {
    "$schema": "https://promptpack.org/schema/latest/promptpack.schema.json",
    "id": "whole",
    "name": "Whole",
    "version": "1.0.0",
    "description": "Everything.",
    "template_engine": {
        "version": "v1",
        "syntax": "{{variable}}",
        "features": ["basic_substitution", "fragments"],
    },
    "prompts": {"help": PROMPT},
    "fragments": {"tone": "Be kind."},
    "tools": {
        "lookup": {
            "name": "lookup",
            "description": "Looks up.",
            "parameters": {
                "type": "object",
                "properties": {"id": {"type": "string"}},
                "required": ["id"],
            },
            "action_scope": {
                "effect": "read",
                "reversibility": "reversible",
                "data_classes": ["d"],
                "extensions": {},
            },
            "extensions": {"acme/x": 1},
        }
    },
    "metadata": {
        "domain": "d",
        "language": "en",
        "tags": ["t"],
        "cost_estimate": {"min_cost_usd": 0, "max_cost_usd": 1, "avg_cost_usd": 0.5},
        "governance": GOVERNANCE,
        "of_my_own": True,
    },
    "compilation": {
        "compiled_with": "packc-v1",
        "created_at": "2026-01-31T12:00:00Z",
        "schema": "v1",
        "source": "a.yaml",
    },
    "evals": [EVAL],
    "workflow": {
        "version": 1,
        "entry": "start",
        "states": {
            "start": {
                "prompt_task": "help",
                "description": "d",
                "on_event": {"done": "end"},
                "persistence": "persistent",
                "orchestration": "hybrid",
                "control": "agent",
                "skills": "none",
                "max_visits": 3,
                "on_max_visits": "end",
                "artifacts": {"sha": {"type": "text/plain", "description": "d", "mode": "append"}},
                "extensions": {},
            },
            "end": {"orchestration": "composition", "composition": "graph", "terminal": True},
        },
        "engine": {
            "budget": {"max_total_visits": 1, "max_tool_calls": 1, "max_wall_time_sec": 1},
            "timeout": 5,
        },
    },
    "agents": {
        "entry": "help",
        "members": {
            "help": {
                "description": "d",
                "tags": ["t"],
                "input_modes": ["text/plain"],
                "output_modes": ["text/plain"],
                "state": "start",
                "governance": GOVERNANCE,
                "extensions": {},
            }
        },
    },
    "skills": [
        "./skills",
        {"path": "@acme/skills", "preload": True},
        {"name": "n", "description": "d", "instructions": "i"},
    ],
    "compositions": {
        "graph": {
            "version": 1,
            "description": "d",
            "input_schema": "#/in",
            "output_schema": "#/out",
            "output": "five",
            "steps": STEPS,
            "engine": {"budget": 5},
            "extensions": {},
        }
    },
    "requires": {
        "providers": [
            "default",
            {
                "key": "judge",
                "role": "llm",
                "required": False,
                "description": "d",
                "capabilities": {
                    "modalities": ["text"],
                    "min_context_tokens": 1000,
                    "tool_use": True,
                    "structured_output": False,
                    "embedding_dimensions": 3,
                    "x-mine": 1,
                },
            },
        ]
    },
}
