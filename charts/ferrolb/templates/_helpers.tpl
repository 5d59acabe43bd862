{{/* Names, labels and other parts that several templates share. */}}

{{- define "ferrolb.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* What every object's name begins with: the release's name, with the chart's behind it unless it is in there. */}}
{{- define "ferrolb.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "ferrolb.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "ferrolb.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "ferrolb.selectorLabels" -}}
app.kubernetes.io/name: {{ include "ferrolb.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ferrolb.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "ferrolb.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* dict "root" $ "component" "speaker" */}}
{{- define "ferrolb.serviceAccountName" -}}
{{- $account := (index .root.Values .component).serviceAccount }}
{{- if $account.create }}
{{- default (printf "%s-%s" (include "ferrolb.fullname" .root) .component) $account.name }}
{{- else }}
{{- default "default" $account.name }}
{{- end }}
{{- end }}

{{/* The image of a component: what `image` says, unless the component says otherwise. */}}
{{- define "ferrolb.image" -}}
{{- $common := .root.Values.image }}
{{- $own := default dict (index .root.Values .component).image }}
{{- $repository := default $common.repository $own.repository }}
{{- if and $common.digest (not $own.repository) (not $own.tag) }}
{{- printf "%s@%s" $repository $common.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default (default .root.Chart.AppVersion $common.tag) $own.tag | toString) }}
{{- end }}
{{- end }}

{{- define "ferrolb.pullPolicy" -}}
{{- default (default "" .root.Values.image.pullPolicy) (default dict (index .root.Values .component).image).pullPolicy }}
{{- end }}

{{/* Pod labels that nobody may change. */}}
{{- define "ferrolb.componentLabels" -}}
{{ include "ferrolb.selectorLabels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "ferrolb.podAnnotations" -}}
{{- $annotations := dict }}
{{- if and .root.Values.prometheus.scrapeAnnotations .root.Values.prometheus.metricsPort }}
{{- $_ := set $annotations "prometheus.io/scrape" "true" }}
{{- $_ := set $annotations "prometheus.io/scheme" "https" }}
{{- $_ := set $annotations "prometheus.io/port" (toString .root.Values.prometheus.metricsPort) }}
{{- end }}
{{- $annotations = mergeOverwrite $annotations (default dict (index .root.Values .component).podAnnotations) }}
{{- if $annotations }}
{{- toYaml $annotations }}
{{- end }}
{{- end }}

{{/* Flags that both binaries have. */}}
{{- define "ferrolb.commonArgs" -}}
{{- $values := .root.Values }}
- --log-level={{ (index $values .component).logLevel }}
- --port={{ $values.prometheus.metricsPort }}
- --health-probe-port={{ (index $values .component).livenessProbe.port }}
{{- with $values.loadBalancerClass }}
- {{ printf "--lb-class=%s" . | quote }}
{{- end }}
{{- with $values.tls.minVersion }}
- --tls-min-version={{ . }}
{{- end }}
{{- with $values.tls.cipherSuites }}
- {{ printf "--tls-cipher-suites=%s" . | quote }}
{{- end }}
{{- with $values.tls.curvePreferences }}
- {{ printf "--tls-curve-preferences=%s" . | quote }}
{{- end }}
{{- if include "ferrolb.metricsSecret" . }}
- --metrics-cert-dir=/etc/metrics
{{- end }}
{{- end }}

{{/* The Secret with the certificate of the metrics, under its name or the one it had. */}}
{{- define "ferrolb.metricsSecret" -}}
{{- $key := printf "%sMetricsTLSSecret" .component }}
{{- default (default "" (index .root.Values.prometheus $key)) (index .root.Values.tls $key) }}
{{- end }}

{{/* Flags of the user's own: of a flag that is repeated the last counts. */}}
{{- define "ferrolb.extraArgs" -}}
{{- range (index .root.Values .component).extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{/* dict "probe" $values "path" "/healthz" "port" 17472 "host" "127.0.0.1" */}}
{{- define "ferrolb.probe" -}}
httpGet:
  path: {{ .path }}
  port: {{ .port }}
  {{- with .host }}
  host: {{ . }}
  {{- end }}
{{ toYaml (omit .probe "enabled" "port") }}
{{- end }}

{{/* Whether the chart carries configuration for the binaries. */}}
{{- define "ferrolb.hasConfiguration" -}}
{{- $values := .Values }}
{{- $found := not (empty .Values.configInline) }}
{{- range list "ipAddressPools" "l2Advertisements" "bgpAdvertisements" "bgpPeers" "communities" "bfdProfiles" }}
{{- if index $values . }}
{{- $found = true }}
{{- end }}
{{- end }}
{{- if $found }}true{{ end }}
{{- end }}

{{/* The Secret with the keys of gossip, and its key that holds them: `keys` as ferrolb has it, `secretkey` as MetalLB. */}}
{{- define "ferrolb.gossipSecret" -}}
{{- default (default (printf "%s-gossip" (include "ferrolb.fullname" .)) .Values.speaker.secretName) .Values.speaker.gossip.existingSecret }}
{{- end }}

{{- define "ferrolb.gossipSecretKey" -}}
{{- if and .Values.speaker.secretName (not .Values.speaker.gossip.existingSecret) }}secretkey{{ else }}keys{{ end }}
{{- end }}

{{/* The webhooks' names are fixed: tools look for them, and a cluster has one of them. */}}
{{- define "ferrolb.webhookService" -}}metallb-webhook-service{{- end }}
{{- define "ferrolb.webhookSecret" -}}metallb-webhook-cert{{- end }}
{{- define "ferrolb.webhookConfiguration" -}}metallb-webhook-configuration{{- end }}
{{- define "ferrolb.lease" -}}ferrolb-controller{{- end }}
