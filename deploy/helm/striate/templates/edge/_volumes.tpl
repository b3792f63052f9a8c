{{- define "striate.edge.volumes" -}}
- name: config
  configMap:
    name: {{ include "striate.fullname" . }}-edge
- name: run
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{- if .Values.edge.tokens.enabled }}
- name: tokens
  secret:
    secretName: {{ .Values.edge.tokens.secretName }}
    items:
      - {key: tokens.map, path: tokens.map}
{{- end }}
{{- with .Values.edge.tls }}
{{- if .enabled }}
- name: tls
  secret:
    secretName: {{ .secretName }}
    items:
      - {key: tls.crt, path: tls.crt}
      # HAProxy looks for a certificate's key under the certificate's name.
      - {key: tls.key, path: tls.crt.key}
{{- if .clientCaSecretName }}
- name: client-ca
  secret:
    secretName: {{ .clientCaSecretName }}
    items:
      - {key: ca.crt, path: ca.crt}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
