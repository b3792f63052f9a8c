{{/*
What the edge goes by, as the class PodOptions of platform/serve/edge/pod.py takes it; HAProxy's configuration is made
of it there. Without a replica a call is refused at once (held: 0).
*/}}
{{- define "striate.edge.options" -}}
{{- $edge := .Values.edge -}}
{{- $limits := dict
  "message_bytes" (int64 $edge.maxMessageBytes)
  "connections" (int64 $edge.maxConnections)
  "streams" (int64 $edge.maxStreams)
  "glitches" (int64 $edge.maxGlitches)
  "start_s" (int64 $edge.startSeconds)
  "client_s" (int64 $edge.clientTimeoutSeconds)
  "server_s" (int64 $edge.callTimeoutSeconds)
  "stream_s" (int64 $edge.streamTimeoutSeconds)
  "idle_s" (int64 $edge.idleSeconds)
  "drain_s" (int64 $edge.drainSeconds)
  "held" 0 -}}
{{- $replicas := dict
  "host" (printf "%s.%s.svc.%s" (include "striate.replicas" .) .Release.Namespace .Values.clusterDomain)
  "port" (int64 .Values.serve.port)
  "most" (int64 $edge.maxServers) -}}
{{- $options := dict
  "app" .Values.serve.name
  "port" (int64 $edge.port)
  "metrics_port" (int64 $edge.metricsPort)
  "replicas" $replicas
  "limits" $limits -}}
{{- if $edge.tls.enabled -}}
{{- $tls := dict "certificate" "/etc/striate/tls/tls.crt" -}}
{{- if $edge.tls.clientCaSecretName -}}
{{- $_ := set $tls "client_ca" "/etc/striate/client-ca/ca.crt" -}}
{{- end -}}
{{- $_ := set $options "tls" $tls -}}
{{- end -}}
{{- if $edge.tokens.enabled -}}
{{- $_ := set $options "token_file" "/etc/striate/tokens/tokens.map" -}}
{{- end -}}
{{- with .Values.serve.arguments.edge_key -}}
{{- $_ := set $options "edge_key" . -}}
{{- end -}}
{{- $options | toPrettyJson -}}
{{- end -}}

{{/* What stands open to callers from outside the cluster asks for TLS and tokens, unless told otherwise. */}}
{{- define "striate.edge.guard" -}}
{{- with .Values.edge -}}
{{- if and (ne .service.type "ClusterIP") (not .insecure) (not (and .tls.enabled .tokens.enabled)) -}}
{{- fail (printf "edge.service.type %s opens the edge to callers from outside. Enable edge.tls and edge.tokens, or set edge.insecure." .service.type) -}}
{{- end -}}
{{- end -}}
{{- end -}}
