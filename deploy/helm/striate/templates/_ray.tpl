{{/*
The specification of one Ray cluster, for the RayCluster and inside the RayService.
Takes {root, component, spec, port, storage}: spec is .Values.cluster or .Values.serve; port is the
replicas' gRPC port or 0; storage says whether the shared volume is mounted.
*/}}
{{- define "striate.ray.cluster" -}}
rayVersion: {{ .root.Values.ray.version | quote }}
authOptions:
  mode: {{ .root.Values.ray.auth.mode }}
  {{- with .root.Values.ray.auth.secretName }}
  secretName: {{ . }}
  {{- end }}
enableInTreeAutoscaling: {{ .spec.autoscaling }}
{{- if .spec.autoscaling }}
autoscalerOptions:
  version: v2
  idleTimeoutSeconds: {{ .spec.idleTimeoutSeconds }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  securityContext:
    {{- toYaml .root.Values.containerSecurityContext | nindent 4 }}
  resources:
    requests: {cpu: 200m, memory: 512Mi}
    limits: {cpu: 500m, memory: 512Mi}
  volumeMounts:
    {{- include "striate.ray.mounts" (dict "storage" false) | nindent 4 }}
{{- end }}
headGroupSpec:
  rayStartParams:
    dashboard-host: "0.0.0.0"
    # The head keeps the cluster's state: no work runs beside it.
    num-cpus: "0"
  template:
    {{- include "striate.ray.pod" (merge (dict "role" "head" "container" "ray-head" "group" .spec.head) .) | nindent 4 }}
workerGroupSpecs:
  {{- range $name, $group := .spec.workerGroups }}
  {{- if and $group $group.enabled }}
  {{- $least := int64 $group.minReplicas }}
  {{- $most := int64 $group.maxReplicas }}
  {{- if or (lt (int64 $group.replicas) $least) (gt (int64 $group.replicas) $most) }}
  {{- fail (printf "workerGroups.%s.replicas %d lies outside of minReplicas %d to maxReplicas %d." $name (int64 $group.replicas) $least $most) }}
  {{- end }}
  - groupName: {{ $name }}
    replicas: {{ $group.replicas }}
    minReplicas: {{ $group.minReplicas }}
    maxReplicas: {{ $group.maxReplicas }}
    rayStartParams: {}
    {{- with $group.chip }}
    resources:
      {{ printf "chip_%s" (replace "-" "_" .) }}: {{ $group.chipsPerPod | default 1 | quote }}
    labels:
      chip: {{ . }}
    {{- end }}
    template:
      {{- include "striate.ray.pod" (merge (dict "role" "worker" "container" "ray-worker" "group" $group) $) | nindent 6 }}
  {{- end }}
  {{- end }}
{{- end -}}

{{- define "striate.ray.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: home, mountPath: /home/striate}
{{- if .storage }}
- {name: shared, mountPath: /var/lib/striate}
{{- end }}
{{- end -}}

{{/* One Ray pod: the operator adds the command, the token and the probes that are not set here. */}}
{{- define "striate.ray.pod" -}}
metadata:
  labels:
    {{- include "striate.podLabels" (dict "root" .root "component" (printf "%s-%s" .component .role)) | nindent 4 }}
spec:
  {{- include "striate.podBasics" .root | nindent 2 }}
  {{- /* The autoscaler in the head needs the API: KubeRay makes it an account with just that role. */}}
  {{- if not (and (eq .role "head") .spec.autoscaling) }}
  serviceAccountName: {{ include "striate.serviceAccount" (dict "root" .root "component" "ray") }}
  automountServiceAccountToken: false
  {{- end }}
  terminationGracePeriodSeconds: {{ .root.Values.ray.terminationGracePeriodSeconds }}
  {{- include "striate.scheduling" .group | nindent 2 }}
  containers:
    - name: {{ .container }}
      {{- include "striate.container" (dict "root" .root "image" .group.image) | nindent 6 }}
      resources:
        {{- toYaml .group.resources | nindent 8 }}
      env:
        {{- include "striate.ray.env" . | nindent 8 }}
      {{- include "striate.ray.ports" . | nindent 6 }}
      volumeMounts:
        {{- include "striate.ray.mounts" . | nindent 8 }}
  volumes:
    - {name: tmp, emptyDir: {}}
    - {name: home, emptyDir: {}}
    {{- if .storage }}
    - name: shared
      persistentVolumeClaim:
        claimName: {{ .root.Values.storage.existingClaim | default (printf "%s-shared" (include "striate.fullname" .root)) }}
    {{- end }}
{{- end -}}

{{- define "striate.ray.env" -}}
- {name: HOME, value: /home/striate}
- {name: STRIATE_HOME, value: {{ ternary "/var/lib/striate" "/home/striate/.striate" .storage }}}
- {name: MLFLOW_TRACKING_URI, value: {{ include "striate.trackingUri" .root | quote }}}
# Replicas share cores with what calls them; training lowers itself.
- {name: RAY_worker_niceness, value: "0"}
{{- if eq .root.Values.ray.auth.mode "disabled" }}
# Said aloud: Ray's own default is tokens.
- {name: RAY_AUTH_MODE, value: disabled}
{{- end }}
{{- with .root.Values.ray.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
Ports, and for serving workers the readiness that puts a pod behind the edge: a replica in it answers
grpc.health.v1. KubeRay's own probe would ask Serve's HTTP proxy, which is off.
*/}}
{{- define "striate.ray.ports" -}}
{{- if eq .role "head" -}}
ports:
  - {name: gcs-server, containerPort: 6379}
  - {name: dashboard, containerPort: 8265}
  - {name: client, containerPort: 10001}
  - {name: metrics, containerPort: 8080}
{{- else if .port -}}
ports:
  - {name: serve, containerPort: {{ .port }}}
  - {name: metrics, containerPort: 8080}
readinessProbe:
  grpc: {port: {{ .port }}}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 3
lifecycle:
  preStop:
    exec:
      command: [sleep, {{ .root.Values.serve.drainSeconds | quote }}]
{{- else -}}
ports:
  - {name: metrics, containerPort: 8080}
{{- end -}}
{{- end -}}
