{{/* Who may call what, and how much a call may carry. A caller cannot pass for the edge, and replicas see no token. */}}
{{- define "striate.edge.rules" -}}
{{- with .Values.edge }}
  http-after-response set-status 200 if { res.hdr(grpc-status) -m found } !{ res.hdr(content-type) -m found }
  http-after-response set-header content-type application/grpc if { res.hdr(grpc-status) -m found } !{ res.hdr(content-type) -m found }
  acl grpc req.hdr(content-type) -m beg application/grpc
  acl streams path /grpc.health.v1.Health/Watch /grpc.reflection.v1.ServerReflection/ServerReflectionInfo /grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo /striate.v1.PhotoTagging/TagStream /inference.GRPCInferenceService/ModelStreamInfer
  acl inside so_name -m str inner
  http-request reject if { req.ver -m beg 1 }
  http-request return status 415 if !{ method POST } || !grpc
  http-request return status 200 hdr grpc-status 8 hdr grpc-message "The metadata are over the 16384 bytes that are allowed." hdr grpc-retry-pushback-ms -1 if { req.hdrs,length -m int gt 16384 }
{{- if .tokens.enabled }}
  acl check path /grpc.health.v1.Health/Check
  acl bearer req.hdr(authorization),word(1,' ') -m str -i bearer
  acl known var(txn.token) -m found
  acl live var(txn.expires),sub(txn.now) -m int gt 0
  http-request set-var(txn.token) req.hdr(authorization),word(2,' '),sha2(256),hex,lower,map_str(/etc/striate/tokens/tokens.map) if bearer !inside
  http-request set-var(txn.name) var(txn.token),field(1,|) if known
  http-request set-var(txn.scopes) var(txn.token),field(2,|) if known
  http-request set-var(txn.expires) var(txn.token),field(3,|) if known
  http-request set-var(txn.rate) var(txn.token),field(4,|) if known
  http-request set-var(txn.now) date
  http-request wait-for-body time {{ .startSeconds }}s at-least 6 if check !inside
  http-request set-var(txn.open) bool(true) if check { req.body,hex -m str 0000000000 }
  acl open var(txn.open) -m bool
  http-request return status 200 hdr grpc-status 16 hdr grpc-message "A valid bearer token is needed." if !inside !open !live
  http-request set-var(txn.scope) str(tag) if { path -m beg /striate.v1.PhotoTagging/ }
  http-request set-var(txn.scope) str(faces) if { path -m beg /striate.v1.Photos/ }
  http-request set-var(txn.scope) str(infer) if { path -m beg /inference.GRPCInferenceService/ }
  http-request set-var(txn.allowed) bool(true) if { var(txn.scope) -m str tag } { var(txn.scopes) -m sub ,tag, }
  http-request set-var(txn.allowed) bool(true) if { var(txn.scope) -m str faces } { var(txn.scopes) -m sub ,faces, }
  http-request set-var(txn.allowed) bool(true) if { var(txn.scope) -m str infer } { var(txn.scopes) -m sub ,infer, }
  acl allowed var(txn.allowed) -m bool
  acl admin var(txn.scopes) -m sub ,admin,
  acl any-scope path -m beg /grpc.health.v1.Health/ /grpc.reflection.v1.ServerReflection/ /grpc.reflection.v1alpha.ServerReflection/
  http-request return status 200 hdr grpc-status 7 hdr grpc-message "The token does not allow this method." if !inside !open !allowed !admin !any-scope
  stick-table type string len 64 size 100k expire 1m store gpc0,gpc0_rate(1s)
  http-request track-sc0 var(txn.name) if known
  http-request return status 200 hdr grpc-status 8 hdr grpc-message "The token's rate of calls is used up." hdr grpc-retry-pushback-ms 1000 if known { var(txn.rate) -m int gt 0 } { sc_gpc0_rate(0),sub(txn.rate) -m int ge 0 }
  http-request sc-inc-gpc0(0) if known
{{- end }}
{{- if $.Values.serve.arguments.edge_key }}
  http-request set-header striate-edge-key {{ $.Values.serve.arguments.edge_key }}
{{- else }}
  http-request del-header striate-edge-key
{{- end }}
  http-request del-header authorization
  http-request wait-for-body time {{ .startSeconds }}s at-least 1024 if !streams
  http-request return status 200 hdr grpc-status 3 hdr grpc-message "The call has no message." if !streams { req.body_len lt 5 }
  http-request return status 200 hdr grpc-status 8 hdr grpc-message "The message is over the {{ int64 .maxMessageBytes }} bytes that are allowed." hdr grpc-retry-pushback-ms -1 if !streams { req.body,bytes(1,4),be2dec(,4) -m int gt {{ int64 .maxMessageBytes }} }
{{- end -}}
{{- end -}}

{{/* What stands open to callers from outside the cluster asks for TLS and tokens, unless told otherwise. */}}
{{- define "striate.edge.guard" -}}
{{- with .Values.edge -}}
{{- if and (ne .service.type "ClusterIP") (not .insecure) (not (and .tls.enabled .tokens.enabled)) -}}
{{- fail (printf "edge.service.type %s opens the edge to callers from outside. Enable edge.tls and edge.tokens, or set edge.insecure." .service.type) -}}
{{- end -}}
{{- end -}}
{{- end -}}
