{{/* What the MLflow server is told; addresses with passwords come from secrets only. */}}
{{- define "striate.mlflow.env" -}}
{{- with .Values.mlflow -}}
- {name: HOME, value: /home/striate}
- {name: MLFLOW_SERVER_ALLOWED_HOSTS, value: {{ include "striate.mlflow.hosts" $ | quote }}}
{{- if eq .database.type "postgresql" }}
- name: MLFLOW_BACKEND_STORE_URI
  valueFrom:
    secretKeyRef: {name: {{ .database.uriSecret.name }}, key: {{ .database.uriSecret.key }}}
{{- else }}
- {name: MLFLOW_BACKEND_STORE_URI, value: "sqlite:////var/lib/mlflow/mlflow.db"}
{{- end }}
- {name: MLFLOW_ARTIFACTS_DESTINATION, value: {{ ternary .artifacts.destination "/var/lib/mlflow/artifacts" (eq .artifacts.type "s3") | quote }}}
{{- if eq .artifacts.type "s3" }}
{{- with .artifacts.endpointUrl }}
- {name: MLFLOW_S3_ENDPOINT_URL, value: {{ . | quote }}}
{{- end }}
{{- $secret := .artifacts.credentialsSecret }}
{{- if $secret }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ . }}}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Host headers that the server answers: every form of its own name, a port-forward, and the given ones. */}}
{{- define "striate.mlflow.hosts" -}}
{{- $name := printf "%s-mlflow" (include "striate.fullname" .) -}}
{{- $hosts := list "localhost" "127.0.0.1" $name
  (printf "%s.%s" $name .Release.Namespace)
  (printf "%s.%s.svc" $name .Release.Namespace)
  (include "striate.mlflow.host" .) -}}
{{- $all := list -}}
{{- range concat $hosts .Values.mlflow.allowedHosts -}}
{{- $all = concat $all (list . (printf "%s:%d" . (int $.Values.mlflow.port))) -}}
{{- end -}}
{{- uniq $all | join "," -}}
{{- end -}}

{{/* Does the server keep anything on a volume of its own? */}}
{{- define "striate.mlflow.onVolume" -}}
{{- with .Values.mlflow -}}
{{- if or (eq .database.type "sqlite") (eq .artifacts.type "file") -}}yes{{- end -}}
{{- end -}}
{{- end -}}
