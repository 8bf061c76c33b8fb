{{/* The operator's objects: omnia-operator, or with another release name <release>-operator. */}}
{{- define "omnia.name" -}}
{{- printf "%s-operator" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "omnia.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "omnia.name" .) -}}
{{- end -}}

{{/* Roles of the cluster are shared by all namespaces, so the name says which release they belong to. */}}
{{- define "omnia.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "omnia.name" .) -}}
{{- end -}}

{{- define "omnia.selectorLabels" -}}
app.kubernetes.io/name: omnia-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "omnia.labels" -}}
{{ include "omnia.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
app.kubernetes.io/part-of: omnia
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end -}}

{{- define "omnia.image" -}}
{{- printf "%s:%s" .repository .tag -}}
{{- end -}}

{{/* The `egress` of a NetworkPolicy: the rules that are given, and DNS. Without any, everything except link-local
addresses, where clouds serve the credentials of their machines. */}}
{{- define "omnia.egress" -}}
{{- with . -}}
{{- toYaml . }}
{{ else -}}
- to:
    - namespaceSelector: {}
    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}
    - ipBlock: {cidr: "::/0", except: ["fe80::/10", "fd00:ec2::254/128"]}
{{ end -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end -}}

{{/* Pods of agents, as the operator labels them. */}}
{{- define "omnia.agentLabels" -}}
app.kubernetes.io/name: omnia-agent
app.kubernetes.io/managed-by: omnia-operator
{{- end -}}

{{- define "omnia.historySelector" -}}
app.kubernetes.io/name: omnia-history
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "omnia.historyLabels" -}}
{{ include "omnia.historySelector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
app.kubernetes.io/part-of: omnia
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end -}}
