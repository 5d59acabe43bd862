//! Label selectors, checked once and then only matched.

use std::collections::BTreeSet;

use ferrolb_api::{LabelSelector, SmallMap};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::resource::Origin;

/// Labels of an object.
pub type Labels = SmallMap;

/// A label selector: every requirement has to hold; one without requirements matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Test {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Whether the labels satisfy every requirement. As in Kubernetes, `NotIn` also matches where the key is absent.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|Requirement { key, test }| match (test, labels.get(key)) {
            (Test::In(values), Some(value)) => values.contains(value),
            (Test::In(_) | Test::Exists, None) | (Test::DoesNotExist, Some(_)) => false,
            (Test::NotIn(values), Some(value)) => !values.contains(value),
            (Test::NotIn(_) | Test::DoesNotExist, None) | (Test::Exists, Some(_)) => true,
        })
    }
}

/// Whether any of the selectors matches.
pub fn any_matches(selectors: &[Selector], labels: &Labels) -> bool {
    selectors.iter().any(|selector| selector.matches(labels))
}

/// Whether any of the selectors matches or there is none: the rule of every optional list of selectors.
pub fn any_or_none(selectors: &[Selector], labels: &Labels) -> bool {
    selectors.is_empty() || any_matches(selectors, labels)
}

/// Checks a list of selectors that stands in `field`; what is wrong is reported and left out.
pub(crate) fn parse_list(
    origin: &Origin,
    field: &str,
    list: Option<&Vec<LabelSelector>>,
    problems: &mut Vec<Problem>,
) -> Vec<Selector> {
    let mut parsed: Vec<Selector> = Vec::new();
    for (index, selector) in list.into_iter().flatten().enumerate() {
        let field = format!("{field}[{index}]");
        let Some(selector) = parse(origin, &field, selector, problems) else { continue };
        if parsed.contains(&selector) {
            problems.push(origin.problem(
                &field,
                "",
                "this selector stands in the list already; remove one of the two",
            ));
        } else {
            parsed.push(selector);
        }
    }
    parsed
}

/// Checks one selector.
pub(crate) fn parse(
    origin: &Origin,
    field: &str,
    selector: &LabelSelector,
    problems: &mut Vec<Problem>,
) -> Option<Selector> {
    let before = problems.len();
    let mut requirements = Vec::new();
    for (key, value) in selector.match_labels.iter().flatten() {
        let field = format!("{field}.matchLabels[{key}]");
        check_key(origin, &field, key, problems);
        check_value(origin, &field, value, problems);
        requirements.push(Requirement { key: key.clone(), test: Test::In([value.clone()].into()) });
    }
    for (index, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let field = format!("{field}.matchExpressions[{index}]");
        check_key(origin, &format!("{field}.key"), &expression.key, problems);
        let values = expression.values.as_deref().unwrap_or_default();
        let set: BTreeSet<String> = values.iter().cloned().collect();
        for value in values {
            check_value(origin, &format!("{field}.values"), value, problems);
        }
        if set.len() < values.len() {
            problems.push(origin.problem(&format!("{field}.values"), values.join(","), "a value stands here twice"));
        }
        let test = match (expression.operator.as_str(), set.is_empty()) {
            ("In", false) => Test::In(set),
            ("NotIn", false) => Test::NotIn(set),
            ("Exists", true) => Test::Exists,
            ("DoesNotExist", true) => Test::DoesNotExist,
            ("In" | "NotIn", true) => {
                let message = format!("operator {} needs at least one value", expression.operator);
                problems.push(origin.problem(&format!("{field}.values"), "", message));
                continue;
            }
            ("Exists" | "DoesNotExist", false) => {
                let message = format!("operator {} takes no values", expression.operator);
                problems.push(origin.problem(&format!("{field}.values"), values.join(","), message));
                continue;
            }
            (other, _) => {
                let message = "unknown operator; use In, NotIn, Exists or DoesNotExist";
                problems.push(origin.problem(&format!("{field}.operator"), other, message));
                continue;
            }
        };
        let requirement = Requirement { key: expression.key.clone(), test };
        if requirements.contains(&requirement) {
            problems.push(origin.problem(&field, &expression.key, "this requirement stands in the selector already"));
        }
        requirements.push(requirement);
    }
    requirements.sort();
    (problems.len() == before).then_some(Selector(requirements))
}

fn check_key(origin: &Origin, field: &str, key: &str, problems: &mut Vec<Problem>) {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let dns = |text: &str| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        !text.is_empty() && text.len() <= 253 && text.chars().all(allowed)
    };
    if !is_label_text(name) || name.is_empty() || !prefix.is_none_or(dns) {
        problems.push(origin.problem(
            field,
            key,
            "no label key; write name or prefix/name, at most 63 letters, digits, '-', '_' or '.' in the name",
        ));
    }
}

fn check_value(origin: &Origin, field: &str, value: &str, problems: &mut Vec<Problem>) {
    if !is_label_text(value) {
        problems.push(origin.problem(
            field,
            value,
            "no label value; at most 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit",
        ));
    }
}

fn is_label_text(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= 63 && text.chars().all(allowed) && edge(text.chars().next()) && edge(text.chars().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(yaml: &str) -> Result<Vec<Selector>, Vec<String>> {
        let list: Vec<LabelSelector> = serde_yaml::from_str(yaml).unwrap();
        let mut problems = Vec::new();
        let origin = Origin::resource("L2Advertisement", "ns", "adv");
        let selectors = parse_list(&origin, "nodeSelectors", Some(&list), &mut problems);
        if problems.is_empty() { Ok(selectors) } else { Err(problems.iter().map(ToString::to_string).collect()) }
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn requirements_are_anded_and_selectors_ored() {
        let selectors = parsed(
            "[{matchLabels: {a: x}, matchExpressions: [{key: b, operator: NotIn, values: [q]}]}, \
              {matchExpressions: [{key: c, operator: Exists}]}]",
        )
        .unwrap();
        assert!(any_or_none(&selectors, &labels(&[("a", "x")])));
        assert!(!any_or_none(&selectors, &labels(&[("a", "x"), ("b", "q")])));
        assert!(any_or_none(&selectors, &labels(&[("a", "x"), ("b", "q"), ("c", "")])));
        assert!(!any_or_none(&selectors, &labels(&[])));
        assert!(any_or_none(&parsed("[{}]").unwrap(), &labels(&[])));
        assert!(any_or_none(&[], &labels(&[])));
        let absent = parsed("[{matchExpressions: [{key: a, operator: DoesNotExist}]}]").unwrap();
        assert!(any_or_none(&absent, &labels(&[])) && !any_or_none(&absent, &labels(&[("a", "")])));
    }

    #[test]
    fn wrong_selectors_are_refused_by_field() {
        for (yaml, expected) in [
            (
                "[{matchExpressions: [{key: a, operator: Is, values: [b]}]}]",
                "spec.nodeSelectors[0].matchExpressions[0].operator = Is",
            ),
            ("[{matchExpressions: [{key: a, operator: In}]}]", "needs at least one value"),
            ("[{matchExpressions: [{key: a, operator: Exists, values: [b]}]}]", "takes no values"),
            ("[{matchExpressions: [{key: a, operator: In, values: [b, b]}]}]", "twice"),
            (
                "[{matchLabels: {a: b}}, {matchExpressions: [{key: a, operator: In, values: [b]}]}]",
                "in the list already",
            ),
            ("[{matchLabels: {'a b': c}}]", "no label key"),
            ("[{matchLabels: {a: '-c'}}]", "no label value"),
        ] {
            let problems = parsed(yaml).unwrap_err();
            assert!(problems.iter().any(|problem| problem.contains(expected)), "{yaml}: {problems:?}");
        }
    }
}
