{{/* The objects of a component that runs in pods: operator, history. The argument: root, component, and
  image    the image's values
  command  the command, if it is not the image's own
  env      the variables, as YAML
  port     name and number of the port, `ready` if only ready pods get requests
  labels   more labels of the Service */}}
{{- define "omnia.workload" -}}
{{- $root := .root -}}
{{- $values := index .root.Values .component -}}
{{- $name := include "omnia.componentName" . -}}
{{- $namespace := include "omnia.namespace" .root -}}
{{- $object := dict "root" .root "component" .component "name" $name "namespace" $namespace -}}
{{- $selector := include "omnia.selectorLabels" . -}}
{{- with $values.serviceAccount }}
{{- if .create }}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- $account := dict "name" (include "omnia.serviceAccountName" $) "annotations" .annotations }}
  {{- include "omnia.metadata" (merge $account $object) | nindent 2 }}
automountServiceAccountToken: {{ .automount | toJson }}
---
{{- end }}
{{- end }}
apiVersion: v1
kind: Service
metadata: {{- include "omnia.metadata" (merge (dict "annotations" $values.service.annotations "labels" .labels) $object) | nindent 2 }}
spec:
  type: {{ $values.service.type | quote }}
  selector: {{- $selector | nindent 4 }}
  {{- if not .port.ready }}
  # One that is not ready has the more interesting numbers.
  publishNotReadyAddresses: true
  {{- end }}
  ports:
    - name: {{ .port.name | quote }}
      port: {{ .port.number | toJson }}
      targetPort: {{ .port.name | quote }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{- include "omnia.metadata" (merge (dict "annotations" $values.deploymentAnnotations) $object) | nindent 2 }}
spec:
  replicas: {{ $values.replicas | toJson }}
  revisionHistoryLimit: 3
  {{- with $values.strategy }}
  strategy: {{- toYaml . | nindent 4 }}
  {{- end }}
  selector:
    matchLabels: {{- $selector | nindent 6 }}
  template:
    metadata:
      labels: {{- include "omnia.labels" (merge (dict "labels" $values.podLabels) $object) | nindent 8 }}
      {{- with merge ($values.podAnnotations | default dict | deepCopy) ($root.Values.commonAnnotations | default dict | deepCopy) }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "omnia.serviceAccountName" . | quote }}
      automountServiceAccountToken: {{ $values.serviceAccount.automount | toJson }}
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds | toJson }}
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets: {{- include "omnia.pullSecrets" . | nindent 8 }}
      {{- end }}
      {{- with $values.priorityClassName }}
      priorityClassName: {{ . | quote }}
      {{- end }}
      {{- with $values.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.topologySpreadConstraints }}
      topologySpreadConstraints:
        {{- range . }}
        - {{- toYaml (merge (deepCopy .) (dict "labelSelector" (dict "matchLabels" (fromYaml $selector)))) | nindent 10 }}
        {{- end }}
      {{- end }}
      {{- with $values.podSecurityContext }}
      securityContext: {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .component | quote }}
          image: {{ include "omnia.image" . | quote }}
          imagePullPolicy: {{ .image.pullPolicy | quote }}
          {{- with .command }}
          command: {{- toYaml . | nindent 12 }}
          {{- end }}
          env: {{- include "omnia.env" (dict "own" .env "extra" $values.extraEnv) | nindent 12 }}
          {{- with $values.extraEnvFrom }}
          envFrom: {{- toYaml . | nindent 12 }}
          {{- end }}
          ports:
            - name: {{ .port.name | quote }}
              containerPort: {{ .port.number | toJson }}
          startupProbe:
            httpGet: {path: /healthz, port: {{ .port.name | quote }}}
            periodSeconds: 1
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /healthz, port: {{ .port.name | quote }}}
            periodSeconds: 10
            timeoutSeconds: 6
          readinessProbe:
            httpGet: {path: /readyz, port: {{ .port.name | quote }}}
            periodSeconds: 5
            timeoutSeconds: 6
          terminationMessagePolicy: FallbackToLogsOnError
          {{- with $values.securityContext }}
          securityContext: {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with $values.resources }}
          resources: {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with concat (.volumeMounts | default list) ($values.extraVolumeMounts | default list) }}
          volumeMounts: {{- toYaml . | nindent 12 }}
          {{- end }}
      {{- with concat (.volumes | default list) ($values.extraVolumes | default list) }}
      volumes: {{- toYaml . | nindent 8 }}
      {{- end }}
{{- with $values.podDisruptionBudget }}
{{- if .enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{- include "omnia.metadata" $object | nindent 2 }}
spec:
  {{- if or (kindIs "invalid" .minAvailable) (eq (toString .minAvailable) "") }}
  maxUnavailable: {{ .maxUnavailable | toJson }}
  {{- else }}
  minAvailable: {{ .minAvailable | toJson }}
  {{- end }}
  selector:
    matchLabels: {{- $selector | nindent 6 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The variables of a container, where one of the values takes the place of the chart's own with the same name. */}}
{{- define "omnia.env" -}}
{{- $named := dict -}}
{{- range .extra }}{{ $_ := set $named .name true }}{{ end -}}
{{- $result := list -}}
{{- range fromYamlArray .own -}}
{{- if not (hasKey $named .name) }}{{ $result = append $result . }}{{ end -}}
{{- end -}}
{{- concat $result (.extra | default list) | toYaml -}}
{{- end -}}

{{/* Secrets as a pod names them, from names and objects. */}}
{{- define "omnia.pullSecrets" -}}
{{- $result := list -}}
{{- range . }}{{ $result = append $result (ternary (dict "name" .) . (kindIs "string" .)) }}{{ end -}}
{{- toYaml $result -}}
{{- end -}}
