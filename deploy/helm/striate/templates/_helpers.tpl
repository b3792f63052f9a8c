{{/* Names, labels and references that every template shares. */}}

{{- define "striate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* KubeRay appends to its names, so 40 characters are left of the 63 that Kubernetes allows. */}}
{{- define "striate.fullname" -}}
{{- $name := include "striate.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- $full = default $full .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $full) -}}
{{- fail (printf "%q cannot name Ray objects: they start with a letter and hold letters, digits and dashes. Set fullnameOverride." $full) -}}
{{- end -}}
{{- $full -}}
{{- end -}}

{{/* The labels that selectors use. Takes {root, component}. */}}
{{- define "striate.selector" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of Ray pods: KubeRay owns app.kubernetes.io/name there and selects by it. */}}
{{- define "striate.podLabels" -}}
{{ include "striate.selector" . }}
app.kubernetes.io/part-of: striate
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "striate.labels" -}}
app.kubernetes.io/name: {{ include "striate.name" .root }}
{{ include "striate.podLabels" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "striate.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "striate.serviceAccount" -}}
{{- if .root.Values.serviceAccount.create -}}
{{ include "striate.fullname" .root }}-{{ .component }}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{/* Where a pod may run. Takes an object with nodeSelector, tolerations and affinity. */}}
{{- define "striate.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What every pod has: pull secrets and its security. */}}
{{- define "striate.podBasics" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- end -}}

{{/* What every container has. Takes {root, image}: image, when not empty, stands for the chart's. */}}
{{- define "striate.container" -}}
image: {{ .image | default (include "striate.image" .root) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml .root.Values.containerSecurityContext | nindent 2 }}
{{- end -}}

{{- define "striate.mlflow.host" -}}
{{ include "striate.fullname" . }}-mlflow.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end -}}

{{- define "striate.trackingUri" -}}
{{- if .Values.mlflow.enabled -}}
http://{{ include "striate.mlflow.host" . }}:{{ .Values.mlflow.port }}
{{- else -}}
{{- .Values.mlflow.externalUri -}}
{{- end -}}
{{- end -}}

{{/* The service that KubeRay points at the pods of the active cluster. */}}
{{- define "striate.replicas" -}}
{{ include "striate.fullname" . }}-replicas
{{- end -}}
