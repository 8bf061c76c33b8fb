{{/* The environment of the operator: omnia_core/env/operator.py. What is left out has the default there. */}}
{{- define "omnia.environment" -}}
- name: OMNIA_FACADE_IMAGE
  value: {{ include "omnia.image" (dict "root" . "image" .Values.facade.image) | quote }}
- name: OMNIA_RUNTIME_IMAGE
  value: {{ include "omnia.image" (dict "root" . "image" .Values.runtime.image) | quote }}
- name: OMNIA_FACADE_IMAGE_PULL_POLICY
  value: {{ .Values.facade.image.pullPolicy | quote }}
- name: OMNIA_RUNTIME_IMAGE_PULL_POLICY
  value: {{ .Values.runtime.image.pullPolicy | quote }}
{{- with .Values.agents.imagePullSecrets }}
- name: OMNIA_IMAGE_PULL_SECRETS
  value: {{ join "," . | quote }}
{{- end }}
{{- $pods := pick .Values.agents "podLabels" "podAnnotations" "serviceAccountAnnotations" "priorityClassName"
  "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
- name: OMNIA_POD_DEFAULTS
  value: {{ toJson $pods | quote }}
{{- if .Values.agents.allowUnauthenticated }}
- name: OMNIA_AGENTS_ALLOW_UNAUTHENTICATED
  value: "true"
{{- end }}
{{- if .Values.agents.console }}
- name: OMNIA_AGENTS_CONSOLE
  value: "true"
{{- end }}
{{- if .Values.tracing.enabled }}
- name: OMNIA_TRACING_ENABLED
  value: "true"
- name: OMNIA_TRACING_ENDPOINT
  value: {{ .Values.tracing.endpoint | quote }}
- name: OMNIA_TRACING_SAMPLE_RATE
  value: {{ .Values.tracing.sampleRate | quote }}
{{- if .Values.tracing.content }}
- name: OMNIA_TRACING_CONTENT
  value: "true"
{{- end }}
{{- if .Values.tracing.openInference }}
- name: OMNIA_TRACING_OPENINFERENCE
  value: "true"
{{- end }}
{{- end }}
{{- with .Values.prometheus.address }}
- name: OMNIA_PROMETHEUS_ADDRESS
  value: {{ . | quote }}
{{- end }}
{{- with .Values.facade.resources }}
- name: OMNIA_FACADE_RESOURCES
  value: {{ toJson . | quote }}
{{- end }}
{{- with .Values.runtime.resources }}
- name: OMNIA_RUNTIME_RESOURCES
  value: {{ toJson . | quote }}
{{- end }}
- name: OMNIA_POLICY_VOLUMES
  value: {{ join "," .Values.policy.volumes | default "," | quote }}
- name: OMNIA_POLICY_SERVICE_ACCOUNT_TOKENS
  value: {{ .Values.policy.serviceAccountTokens | quote }}
- name: OMNIA_POLICY_CUSTOM_IMAGES
  value: {{ .Values.policy.customImages | quote }}
- name: OMNIA_POLICY_EXTRA_ENVIRONMENT
  value: {{ .Values.policy.extraEnvironment | quote }}
- name: OMNIA_POLICY_UNAUTHENTICATED_AGENTS
  value: {{ .Values.policy.unauthenticatedAgents | quote }}
- name: OMNIA_POLICY_CUSTOM_SERVICE_ACCOUNTS
  value: {{ .Values.policy.customServiceAccounts | quote }}
- name: OMNIA_POLICY_EXTRA_CONTAINERS
  value: {{ .Values.policy.extraContainers | quote }}
- name: OMNIA_POLICY_HOST_PORTS
  value: {{ .Values.policy.hostPorts | quote }}
- name: OMNIA_POLICY_EXPOSURE
  value: {{ .Values.policy.exposure | quote }}
{{- if .Values.discovery.denyPrivateAddresses }}
- name: OMNIA_DISCOVERY_DENY_PRIVATE_ADDRESSES
  value: "true"
{{- end }}
{{- with .Values.discovery.proxy }}
{{- if .http }}
- name: HTTP_PROXY
  value: {{ .http | quote }}
{{- end }}
{{- if .https }}
- name: HTTPS_PROXY
  value: {{ .https | quote }}
{{- end }}
{{- if .noProxy }}
- name: NO_PROXY
  value: {{ join "," .noProxy | quote }}
{{- end }}
{{- end }}
{{- if or .Values.discovery.caBundle.configMapName .Values.discovery.caBundle.secretName }}
- name: OMNIA_DISCOVERY_CA_FILE
  value: /etc/omnia/discovery-ca/ca.crt
{{- end }}
{{- with .Values.operator.watchNamespaces }}
- name: OMNIA_WATCH_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
- name: OMNIA_LEASE_NAME
  value: {{ include "omnia.name" . | quote }}
- name: OMNIA_LEASE_NAMESPACE
  value: {{ include "omnia.namespace" . | quote }}
- name: OMNIA_LEASE_IDENTITY
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: LOG_LEVEL
  value: {{ .Values.operator.logLevel | quote }}
{{- end -}}


{{/* The environment of the history: HistoryEnv in the same file. */}}
{{- define "omnia.historyEnvironment" -}}
- name: OMNIA_HISTORY_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.history.database.secretName | quote }}
      key: {{ .Values.history.database.key | quote }}
- name: OMNIA_HISTORY_NAMESPACE
  value: {{ .Values.history.namespace | quote }}
{{- with .Values.history.tokenNamespaces }}
- name: OMNIA_HISTORY_TOKEN_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
- name: LOG_LEVEL
  value: {{ .Values.operator.logLevel | quote }}
{{- end -}}
