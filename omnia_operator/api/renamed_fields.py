"""Fields that manifests of other versions have: where their content belongs now."""

from omnia_core.names import Kind

_GONE = "nothing takes its place here: remove it"

OLD_FIELDS: dict[Kind, dict[str, str]] = {
    Kind.AGENT_RUNTIME: {
        "spec.context": "the session store is in session (type, ttl, storeRef)",
        "spec.facades": "write facade, one object instead of a list",
        "spec.facade.a2a.port": "A2A is served on facade.port under /a2a: remove it",
        "spec.facade.mcp.port": "MCP is served on facade.port at /mcp: remove it",
        "spec.facade.a2a.conversationTTL": "write session.ttl: tasks and doors share a session",
        "spec.facade.a2a.taskStore": "tasks are in the session store: remove it",
        "spec.facade.a2a.clients": "an agent is a tool: write a handler in a ToolRegistry",
        "spec.facade.managementPlane": "the port accepts management tokens too: remove it",
        "spec.providerRef": "write providers: [{name: default, providerRef: {name: …}}]",
        "spec.provider.config": "write defaults and pricing",
        "spec.provider.additionalConfig": "responses of a mock are in mock",
        "spec.provider.credential": "write secretRef: {name: …}",
        "spec.providers.role": "every provider here answers: remove it",
        "spec.podOverrides": (
            "its nodeSelector, tolerations, affinity, serviceAccountName, imagePullSecrets,"
            " priorityClassName, topologySpreadConstraints and extraEnv are in runtime, labels is"
            " runtime.podLabels, annotations is runtime.podAnnotations, extraVolumes is"
            " runtime.volumes, extraVolumeMounts is runtime.volumeMounts"
        ),
        "spec.replicas": "write runtime.replicas",
        "spec.runtime.env": "write runtime.extraEnv",
        "spec.env": "write runtime.extraEnv",
        "spec.resources": "write runtime.resources",
        "spec.console": "write facade.console",
        "spec.session.storeRef.key": "the key of the Secret is always url: remove it",
        "spec.session.url": "write storeRef, a Secret with the key url",
        "spec.promptPackRef.track": "write version, or remove it",
        "spec.media.storage": "uploads are in facade.media",
        "spec.serviceGroup": _GONE,
        "spec.privacyPolicyRef": _GONE,
        "spec.memory": _GONE,
        "spec.outputFormat": _GONE,
        "spec.evals.inline": _GONE,
        "spec.evals.worker": _GONE,
    },
    Kind.PROVIDER: {
        "spec.credential": "write secretRef: {name: …}",
        "spec.apiKeySecretRef": "write secretRef: {name: …}",
        "spec.config": "write defaults and pricing",
        "spec.role": "every provider here answers: remove it",
        "spec.validateCredentials": _GONE,
        "spec.platform": "give baseURL, the address of a gateway that speaks the type's protocol",
        "spec.auth": "write secretRef: {name: …}",
    },
    Kind.TOOL_REGISTRY: {
        "spec.tools": "write handlers, each with a tool",
        "spec.handlers.endpoint": "write httpConfig.endpoint, or selector",
        "spec.handlers.url": "write httpConfig.endpoint",
        "spec.handlers.retries": "write retryPolicy in the config block of its type",
    },
    Kind.SESSION_RETENTION_POLICY: {
        "spec.hotCache": "write ttlAfterInactive and maxMessagesPerSession",
        "spec.warmStore": "write retentionDays",
        "spec.coldArchive": _GONE,
    },
    Kind.PROMPT_PACK: {"spec.skills": _GONE},
    Kind.ROLLOUT_ANALYSIS: {
        "spec.metrics.provider.arenaEval": "write agent, with measure: evalPassRate or evalScore",
    },
}
