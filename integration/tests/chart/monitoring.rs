//! What asks for metrics, and that alerts and dashboards ask for those that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value;

use crate::helm::{Rendered, documents, helm, repository, text};

/// It counts while somebody records by hand.
const OF_RECORDS: &str = "ferrolb_record_steps_total";
/// Alerts of MetalLB's chart, which people have routes and runbooks for.
const OF_METALLB: [&str; 7] = [
    "MetalLBStaleConfig",
    "MetalLBConfigNotLoaded",
    "MetalLBAddressPoolExhausted",
    "MetalLBAddressPoolUsage75Percent",
    "MetalLBAddressPoolUsage85Percent",
    "MetalLBAddressPoolUsage95Percent",
    "MetalLBBGPSessionDown",
];

/// Names of metrics in an expression.
fn names(expression: &str) -> Vec<String> {
    let name = Regex::new(r"\b(metallb|ferrolb)_[a-z0-9_]+").unwrap();
    let plain = Regex::new(r#""(\\.|[^"\\])*""#).unwrap().replace_all(expression, "\"\"").into_owned();
    name.find_iter(&plain).map(|found| found.as_str().to_owned()).collect()
}

/// Names of metrics that stand in the code: whole, or as what the same file puts into `format!("metallb_..._{name}")`.
fn metrics() -> BTreeSet<String> {
    let mut files = Vec::new();
    for folder in ["controller/src", "speaker/src"] {
        sources(&repository(folder), &mut files);
    }
    let literal = Regex::new(r#""([a-z0-9_{}]+)""#).unwrap();
    let mut metrics = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let all: BTreeSet<&str> = literal.captures_iter(&text).map(|found| found.get(1).unwrap().as_str()).collect();
        let stems = all.iter().filter_map(|name| name.strip_suffix("{name}"));
        metrics.extend(stems.flat_map(|stem| all.iter().map(move |rest| format!("{stem}{rest}"))));
        metrics.extend(all.iter().map(|name| (*name).to_owned()));
    }
    let ours = |name: &String| ["metallb_", "ferrolb_"].iter().any(|prefix| name.starts_with(prefix));
    metrics.into_iter().filter(|name| ours(name) && !name.contains('{')).collect()
}

/// Every file of code below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn rules(rendered: &Rendered) -> Vec<Value> {
    let rule = rendered.all("PrometheusRule")[0];
    rule["spec"]["groups"][0]["rules"].as_array().unwrap().clone()
}

/// The dashboards and the expressions in each.
fn dashboards() -> Vec<(String, Value)> {
    let folder = repository("charts/ferrolb/files/dashboards");
    let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    all.iter().map(|path| (name(path), serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())).collect()
}

#[test]
fn alerts_ask_for_metrics_that_there_are() {
    let Some(helm) = helm() else { return };
    let rendered = helm.template(&[], &["prometheus.prometheusRule.enabled=true"]).unwrap();
    let metrics = metrics();
    let rules = rules(&rendered);
    for rule in &rules {
        let expression = rule["expr"].as_str().unwrap();
        let foreign = expression.contains("kube_daemonset_status_");
        assert!(foreign || !names(expression).is_empty(), "{expression}");
        for name in names(expression) {
            assert!(metrics.contains(&name), "{}: there is no metric {name}", rule["alert"]);
        }
        for text in ["summary", "description"] {
            assert!(rule["annotations"][text].is_string(), "{}: no {text}", rule["alert"]);
        }
        assert!(rule["labels"]["severity"].is_string(), "{}", rule["alert"]);
    }
    let alerts: BTreeSet<&str> = rules.iter().map(|rule| rule["alert"].as_str().unwrap()).collect();
    assert_eq!(alerts.len(), rules.len());
    assert!(OF_METALLB.iter().all(|alert| alerts.contains(alert)), "{alerts:?}");
}

#[test]
fn each_alert_can_be_switched_off_and_others_added() {
    let Some(helm) = helm() else { return };
    let values: Value = serde_yaml::from_str(&text("charts/ferrolb/values.yaml")).unwrap();
    let settings = values["prometheus"]["prometheusRule"].as_object().unwrap();
    let switches = settings.iter().filter(|(_, setting)| setting.get("enabled").is_some());
    let mut sets = vec!["prometheus.prometheusRule.enabled=true".to_owned()];
    sets.extend(switches.map(|(alert, _)| format!("prometheus.prometheusRule.{alert}.enabled=false")));
    sets.push("prometheus.prometheusRule.extraAlerts[0].alert=Mine".to_owned());
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let rules = rules(&helm.template(&[], &sets).unwrap());
    assert_eq!(rules, [serde_json::json!({ "alert": "Mine" })]);
}

#[test]
fn dashboards_ask_for_metrics_that_there_are() {
    let metrics = metrics();
    let dashboards = dashboards();
    assert_eq!(dashboards.len(), 3);
    let mut asked = BTreeSet::new();
    for (file, dashboard) in &dashboards {
        let mut places = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            let grid = &panel["gridPos"];
            assert!(
                places.insert((grid["y"].as_u64().unwrap(), grid["x"].as_u64().unwrap())),
                "{file}: {title} lies on another"
            );
            assert!(panel["description"].is_string(), "{file}: {title}");
            for target in panel["targets"].as_array().unwrap() {
                let expression = target["expr"].as_str().unwrap();
                let names = names(expression);
                assert!(!names.is_empty(), "{file}: {title}: {expression}");
                let balanced = |open, close| expression.matches(open).count() == expression.matches(close).count();
                assert!(
                    balanced('(', ')') && balanced('{', '}') && balanced('[', ']'),
                    "{file}: {title}: {expression}"
                );
                for name in names {
                    assert!(metrics.contains(&name), "{file}: {title}: there is no metric {name}");
                    asked.insert(name);
                }
            }
        }
    }
    // A metric of ours that no dashboard shows was forgotten.
    let shown = |name: &str| asked.contains(name) || name == OF_RECORDS;
    let forgotten: Vec<&String> =
        metrics.iter().filter(|name| name.starts_with("ferrolb_") && !shown(name.as_str())).collect();
    assert_eq!(forgotten, Vec::<&String>::new());
}

#[test]
fn dashboards_are_config_maps_that_the_sidecar_of_grafana_finds() {
    let Some(helm) = helm() else { return };
    let rendered = helm.template(&[], &["grafana.dashboards.enabled=true,grafana.dashboards.namespace=monitoring"]);
    let rendered = rendered.unwrap();
    for (file, dashboard) in dashboards() {
        let map = rendered.one("ConfigMap", &format!("ferrolb-dashboard-{}", file.trim_end_matches(".json")));
        assert_eq!(map["metadata"]["namespace"], "monitoring");
        assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
        let text = map["data"][&file].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), dashboard, "{file}");
    }
}

#[test]
fn monitors_find_the_port_and_an_account_that_may_ask() {
    let Some(helm) = helm() else { return };
    let account = ["prometheus.serviceAccount=prometheus", "prometheus.namespace=monitoring"];
    for (switch, kind, endpoints) in
        [("podMonitor", "PodMonitor", "podMetricsEndpoints"), ("serviceMonitor", "ServiceMonitor", "endpoints")]
    {
        let on = format!("prometheus.{switch}.enabled=true");
        let rendered = helm.template(&[], &[&on, account[0], account[1]]).unwrap();
        let monitors = rendered.all(kind);
        assert_eq!(monitors.len(), 2, "{kind}");
        for monitor in monitors {
            let endpoint = &monitor["spec"][endpoints][0];
            assert_eq!((&endpoint["port"], &endpoint["scheme"]), (&"metricshttps".into(), &"https".into()));
            let secret = endpoint["authorization"]["credentials"]["name"].as_str().unwrap();
            let token = rendered.one("Secret", secret);
            let reader = token["metadata"]["annotations"]["kubernetes.io/service-account.name"].as_str().unwrap();
            rendered.one("ServiceAccount", reader);
            let grant = rendered.one("ClusterRoleBinding", "ferrolb:metrics-reader");
            assert_eq!(grant["subjects"][0]["name"], reader);
            let role = rendered.one("ClusterRole", "ferrolb:metrics-reader");
            assert_eq!(role["rules"], serde_json::json!([{ "nonResourceURLs": ["/metrics"], "verbs": ["get"] }]));
            let wanted = &monitor["spec"]["selector"]["matchLabels"];
            let component = wanted["app.kubernetes.io/component"].as_str().unwrap();
            let found = if kind == "PodMonitor" {
                rendered.pod(component)["metadata"]["labels"].clone()
            } else {
                let service = rendered.one("Service", &format!("ferrolb-{component}-monitor-service"));
                assert_eq!(service["spec"]["selector"], rendered.pod(component)["metadata"]["labels"]);
                service["metadata"]["labels"].clone()
            };
            for (label, value) in wanted.as_object().unwrap() {
                assert_eq!(found[label], *value, "{kind} {component}");
            }
        }
        let listing = rendered.one("RoleBinding", "ferrolb-prometheus");
        assert_eq!(
            listing["subjects"][0],
            serde_json::json!({
                "kind": "ServiceAccount", "name": "prometheus", "namespace": "monitoring",
            })
        );
    }
}

#[test]
fn network_policies_let_through_what_the_controller_serves() {
    let Some(helm) = helm() else { return };
    let on = "networkpolicies.enabled=true,networkpolicies.apiPort=443";
    let rendered = helm.template(&[], &[on]).unwrap();
    assert_eq!(rendered.all("NetworkPolicy").len(), 1);
    let policy = &rendered.one("NetworkPolicy", "ferrolb-controller")["spec"];
    assert_eq!(policy["podSelector"]["matchLabels"], rendered.pod("controller")["metadata"]["labels"]);
    let served = rendered.container("controller")["ports"].as_array().unwrap();
    for port in policy["ingress"][0]["ports"].as_array().unwrap() {
        assert!(served.iter().any(|served| served["name"] == port["port"]), "{port}");
    }
    assert_eq!(policy["ingress"][0]["ports"].as_array().unwrap().len(), served.len());
    assert_eq!(policy["egress"][0]["ports"][0]["port"], 443);
    let all = helm.template(&[], &[on, "networkpolicies.defaultDeny=true"]).unwrap();
    assert_eq!(all.one("NetworkPolicy", "ferrolb-default-deny")["spec"]["podSelector"], serde_json::json!({}));
    assert!(documents(&text("charts/ferrolb/values.yaml"))[0]["networkpolicies"]["enabled"] == false);
}
