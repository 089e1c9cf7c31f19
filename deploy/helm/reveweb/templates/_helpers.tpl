{{- define "reveweb.labels" -}}
app.kubernetes.io/name: reveweb
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* What a container of the site has, whichever command it runs. */}}
{{- define "reveweb.container" -}}
image: {{ printf "%s:%s" .Values.image.repository .Values.image.tag | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
envFrom:
  - secretRef: { name: {{ .Values.secret | quote }} }
env:
  - { name: PUBLIC_URL, value: {{ .Values.publicUrl | quote }} }
  - { name: DRAIN_SECONDS, value: {{ .Values.drainSeconds | quote }} }
  - { name: WORKER_DRAIN_SECONDS, value: {{ .Values.workerDrainSeconds | quote }} }
  - { name: SYNC_WAIT_SECONDS, value: {{ .Values.syncWaitSeconds | quote }} }
  {{- range $name, $value := .Values.env }}
  {{- if ne (toString $value) "" }}
  - { name: {{ $name }}, value: {{ $value | quote }} }
  {{- end }}
  {{- end }}
  {{- if .works }}{{ include "reveweb.metricsEnv" . }}{{ end }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities: { drop: [ALL] }
{{- end -}}

{{/* What a pod of the site has. */}}
{{- define "reveweb.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{/* Where a process that works answers Prometheus: at a port that only the cluster reaches. */}}
{{- define "reveweb.metricsEnv" -}}
{{- if .Values.metrics.port }}
  - { name: METRICS_PORT, value: {{ .Values.metrics.port | quote }} }
  - { name: METRICS_HOST, value: "0.0.0.0" }
{{- end }}
{{- end -}}

{{- define "reveweb.metricsPort" -}}
{{- if .Values.metrics.port -}}
ports:
  - { name: metrics, containerPort: {{ .Values.metrics.port }} }
{{- end }}
{{- end -}}

{{/* Where the pods of a part go: to as many machines as there are. */}}
{{- define "reveweb.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "reveweb.labels" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .part }}
{{- end -}}
