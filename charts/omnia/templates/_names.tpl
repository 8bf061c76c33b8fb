{{/* What the names of all objects begin with: the release's name, unless the values say otherwise. The part of a
component is added to it, and a label has 63 characters at most. */}}
{{- define "omnia.fullname" -}}
{{- $name := .Release.Name -}}
{{- if and .Values.nameOverride (not (contains .Values.nameOverride $name)) -}}
{{- $name = printf "%s-%s" $name .Values.nameOverride -}}
{{- end -}}
{{- .Values.fullnameOverride | default $name | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{/* The objects of a component: omnia-operator, or with another release name <release>-operator.
The argument: root, component. */}}
{{- define "omnia.componentName" -}}
{{- printf "%s-%s" (include "omnia.fullname" .root) .component -}}
{{- end -}}

{{/* The operator's objects. */}}
{{- define "omnia.name" -}}
{{- include "omnia.componentName" (dict "root" . "component" "operator") -}}
{{- end -}}

{{- define "omnia.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{/* The argument: root, component. */}}
{{- define "omnia.serviceAccountName" -}}
{{- with (index .root.Values .component).serviceAccount -}}
{{- .name | default (ternary (include "omnia.componentName" $) "default" .create) -}}
{{- end -}}
{{- end -}}

{{/* Roles of the cluster are shared by all namespaces, so the name says which release they belong to. */}}
{{- define "omnia.clusterName" -}}
{{- printf "%s:%s" (include "omnia.namespace" .) (include "omnia.name" .) -}}
{{- end -}}

{{/* The argument: root, component. */}}
{{- define "omnia.selectorLabels" -}}
app.kubernetes.io/name: {{ printf "%s-%s" (.root.Values.nameOverride | default .root.Chart.Name) .component | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- end -}}

{{/* The labels of an object. The argument: root, component, and labels of the object's own. What selects pods, and what
Helm asks for, is in no value's power. */}}
{{- define "omnia.labels" -}}
{{- $selector := include "omnia.selectorLabels" . | fromYaml -}}
{{- $helm := dict
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version) -}}
{{- $standard := dict
  "app.kubernetes.io/version" .root.Chart.AppVersion
  "app.kubernetes.io/part-of" "omnia" -}}
{{- merge $selector $helm (.labels | default dict | deepCopy) (.root.Values.commonLabels | default dict | deepCopy) $standard | toYaml -}}
{{- end -}}

{{/* The metadata of an object. The argument: root, component, name, and if it has them namespace, labels, annotations. */}}
{{- define "omnia.metadata" -}}
name: {{ .name | quote }}
{{- with .namespace }}
namespace: {{ . | quote }}
{{- end }}
labels: {{- include "omnia.labels" . | nindent 2 }}
{{- with merge (.annotations | default dict | deepCopy) (.root.Values.commonAnnotations | default dict | deepCopy) }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The argument: root, image. A digest says more than a tag. */}}
{{- define "omnia.image" -}}
{{- with .image -}}
{{- ternary (printf "%s@%s" .repository .digest) (printf "%s:%s" .repository (.tag | default $.root.Chart.AppVersion)) (not (empty .digest)) -}}
{{- end -}}
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
