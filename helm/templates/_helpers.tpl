{{- define "tls-broker.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "tls-broker.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "tls-broker.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "tls-broker.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tls-broker.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tls-broker.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "tls-broker.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "tls-broker.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "tls-broker.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "tls-broker.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "tls-broker.configMapName" -}}
{{- .Values.existingConfigMap | default (printf "%s-routes" (include "tls-broker.fullname" . | trunc 56 | trimSuffix "-")) -}}
{{- end -}}

{{/* The text of routes.yaml: the value `routes`, or the chart's example when that is empty. */}}
{{- define "tls-broker.routes" -}}
{{- if .Values.routes -}}
{{- toYaml .Values.routes -}}
{{- else -}}
{{- .Files.Get "files/routes.yaml" | trim -}}
{{- end -}}
{{- end -}}

{{/* Seconds of a duration such as 30s, 2m, 1h or 500ms; part of a second counts as a whole one. */}}
{{- define "tls-broker.seconds" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9]+" $text | int -}}
{{- $unit := regexFind "[a-z]+$" $text -}}
{{- if eq $unit "h" -}}{{ mul $number 3600 }}
{{- else if eq $unit "m" -}}{{ mul $number 60 }}
{{- else if eq $unit "ms" -}}{{ div (add $number 999) 1000 }}
{{- else -}}{{ $number }}
{{- end -}}
{{- end -}}

{{/* What values.schema.json cannot say: ends the rendering with one clear line. */}}
{{- define "tls-broker.validate" -}}
{{- if and .Values.routes .Values.existingConfigMap -}}
{{- fail "routes and existingConfigMap: give one of the two" -}}
{{- end -}}
{{- if not .Values.existingConfigMap -}}
{{- $routes := include "tls-broker.routes" . | fromYaml -}}
{{- $bind := dig "admin" "bind" "127.0.0.1:9090" $routes -}}
{{- $wanted := list (printf "0.0.0.0:%d" (int .Values.ports.admin)) (printf "[::]:%d" (int .Values.ports.admin)) -}}
{{- if not (has $bind $wanted) -}}
{{- fail (printf "routes.admin.bind is %s, where probes and scrapes cannot reach it: write %s, or change ports.admin" $bind (first $wanted)) -}}
{{- end -}}
{{- $ports := list -}}
{{- range $listener := $routes.listeners -}}
{{- $ports = append $ports (regexFind "[0-9]+$" $listener.bind) -}}
{{- end -}}
{{- range .Values.service.ports -}}
{{- if not (has (toString (int .containerPort)) $ports) -}}
{{- fail (printf "service.ports: no listener of routes binds the containerPort %d of %s" (int .containerPort) .name) -}}
{{- end -}}
{{- end -}}
{{- $drain := include "tls-broker.seconds" (dig "drain_timeout" "30s" $routes) | int -}}
{{- $grace := include "tls-broker.seconds" (dig "drain_grace" "1s" $routes) | int -}}
{{- $needed := add $drain $grace .Values.preStopSeconds 5 | int -}}
{{- if le (int .Values.terminationGracePeriodSeconds) $needed -}}
{{- fail (printf "terminationGracePeriodSeconds must be more than %d: preStopSeconds + routes.drain_grace + routes.drain_timeout + 5" $needed) -}}
{{- end -}}
{{- end -}}
{{- end -}}
