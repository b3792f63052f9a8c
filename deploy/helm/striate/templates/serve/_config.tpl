{{/* Ray Serve's own configuration. No proxy runs: the replicas serve gRPC themselves, behind the edge. */}}
{{- define "striate.serve.config" -}}
proxy_location: Disabled
applications:
  - name: {{ .Values.serve.name }}
    route_prefix: null
    import_path: {{ .Values.serve.importPath }}
    args:
      {{- toYaml (merge (dict "model" .Values.serve.model "port" (int .Values.serve.port)) .Values.serve.arguments) | nindent 6 }}
{{- end -}}
