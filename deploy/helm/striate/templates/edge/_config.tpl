{{/*
HAProxy's configuration: the rules that platform/serve/edge/access_rules.py writes on one machine, word for word (a test
compares them), with the replicas found by DNS. HTTP/2 on both sides.
*/}}
{{- define "striate.edge.config" -}}
{{- $edge := .Values.edge -}}
global
  maxconn {{ $edge.maxConnections }}
  hard-stop-after {{ $edge.drainSeconds }}s
  log stdout format raw local0 warning
{{- if $edge.tokens.enabled }}
  stats socket unix@/run/striate/admin.sock mode 600 level admin
{{- end }}
  tune.bufsize 98304
  tune.h2.max-frame-size 16384
  tune.h2.fe.initial-window-size 1048576
  tune.h2.fe.max-concurrent-streams {{ $edge.maxStreams }}
  tune.h2.fe.glitches-threshold {{ $edge.maxGlitches }}

defaults
  mode http
  log global
  timeout connect 500ms
  timeout http-request {{ $edge.startSeconds }}s
  timeout http-keep-alive {{ $edge.idleSeconds }}s
  timeout client {{ $edge.clientTimeoutSeconds }}s
  timeout server {{ $edge.callTimeoutSeconds }}s
  timeout queue 10s
  timeout check 3s
  retries 20
  retry-on conn-failure empty-response
  http-reuse safe
  option http-no-delay
  option clitcpka
  option srvtcpka
  http-error status 400 hdr grpc-status 13 hdr grpc-message "The request is malformed."
  http-error status 408 hdr grpc-status 4 hdr grpc-message "The request did not arrive in time."
  http-error status 500 hdr grpc-status 13 hdr grpc-message "The edge failed on this request."
  http-error status 502 hdr grpc-status 14 hdr grpc-message "No replica answers."
  http-error status 503 hdr grpc-status 14 hdr grpc-message "No replica answers."
  http-error status 504 hdr grpc-status 4 hdr grpc-message "No replica answered in time."

# Old addresses are kept for a while, so that a gap between two clusters drops nothing.
resolvers kubernetes
  parse-resolv-conf
  accepted_payload_size 8192
  resolve_retries 3
  timeout resolve 1s
  timeout retry 1s
  hold valid 1s
  hold nx 10s
  hold obsolete 10s
  hold other 30s
  hold refused 30s
  hold timeout 30s

frontend grpc
  backlog 4096
  bind :{{ $edge.port }}{{ include "striate.edge.bind" . }}
{{- include "striate.edge.rules" . }}
  use_backend unknown-application if { req.hdr(striate-app) -m found } !{ req.hdr(striate-app) -m str {{ .Values.serve.name }} }
  use_backend no-replica if { nbsrv(replicas) eq 0 }
  default_backend replicas

frontend status
  bind :{{ $edge.metricsPort }}
  monitor-uri /healthz
  http-request use-service prometheus-exporter if { path /metrics }
  http-request return status 404

{{ include "striate.edge.replicas" . }}

backend no-replica
  http-request return status 200 hdr grpc-status 14 hdr grpc-message "No replica answers."

backend unknown-application
  http-request return status 200 hdr grpc-status 5 hdr grpc-message "There is no application named %[req.hdr(striate-app),bytes(0,128),url_enc]."
{{- end -}}

{{- define "striate.edge.bind" -}}
{{- with .Values.edge.tls -}}
{{- if .enabled }} ssl crt /etc/striate/tls/tls.crt alpn h2 ssl-min-ver TLSv1.2{{ if .clientCaSecretName }} ca-file /etc/striate/client-ca/ca.crt verify required{{ end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Each replica is asked grpc.health.v1.Health/Check in HTTP/2 frames: preface, empty SETTINGS, HEADERS of
stream 1 (POST, http, path, authority, content-type, te), DATA with an empty message. SERVING comes back
as the five bytes of gRPC's prefix and the message 08 01.
*/}}
{{- define "striate.edge.replicas" -}}
backend replicas
  balance leastconn
  option redispatch 1
  http-request set-timeout server {{ .Values.edge.streamTimeoutSeconds }}s if { path /grpc.health.v1.Health/Watch /grpc.reflection.v1.ServerReflection/ServerReflectionInfo /grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo /striate.v1.PhotoTagging/TagStream /inference.GRPCInferenceService/ModelStreamInfer }
  option tcp-check
  tcp-check connect
  tcp-check send-binary 505249202a20485454502f322e300d0a0d0a534d0d0a0d0a
  tcp-check send-binary 000000040000000000
  tcp-check send-binary 0000490104000000018386041c2f677270632e6865616c74682e76312e4865616c74682f436865636b01077265706c6963610f10106170706c69636174696f6e2f677270630002746508747261696c657273
  tcp-check send-binary 0000050001000000010000000000
  tcp-check expect rbinary 0000000002080[1-3]
  tcp-check expect min-recv 1 binary 00000000020801
  server-template replica {{ .Values.edge.maxServers }} {{ include "striate.replicas" . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:{{ .Values.serve.port }} proto h2 check check-proto none inter 1s fastinter 250ms downinter 500ms fall 2 rise 1 resolvers kubernetes init-addr none
{{- end -}}
