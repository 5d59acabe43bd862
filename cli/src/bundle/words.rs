//! Which names stand before a secret: of fields, flags, variables and in logs.

/// Parts of a name that mean that its value is a secret, in small letters without anything between the words.
const ANYWHERE: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "privatekey",
    "secretkey",
    "apikey",
    "accesskey",
    "authorization",
    "credential",
    "keydata",
    "tlskey",
    "encryptionkey",
    "sharedkey",
];
/// Ends of such a name.
const AT_THE_END: [&str; 4] = ["token", "secret", "psk", "bearer"];
/// Whole names.
const WHOLE: [&str; 5] = ["keys", "pass", "pwd", "auth", "cookie"];
/// Ends of names that tell where a secret is, or of what kind, and are none.
const ABOUT: [&str; 14] = [
    "ref",
    "name",
    "path",
    "file",
    "dir",
    "namespace",
    "mode",
    "type",
    "seconds",
    "secrets",
    "passwordsecret",
    "count",
    "total",
    "policy",
];

/// Whether what stands under this name is a secret.
pub(super) fn is_sensitive(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    if ABOUT.iter().any(|end| plain.ends_with(end)) {
        return false;
    }
    ANYWHERE.iter().any(|part| plain.contains(part))
        || AT_THE_END.iter().any(|end| plain.ends_with(end))
        || WHOLE.contains(&plain.as_str())
}

/// Whether its value may be of several words: people write passwords as they like.
pub(super) fn is_phrase(name: &str) -> bool {
    let plain = name.to_ascii_lowercase();
    plain.contains("pass") || plain.ends_with("pwd")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_told_from_names_of_places() {
        for secret in [
            "password",
            "Password",
            "bgp-password",
            "DB_PASSWORD",
            "token",
            "accessToken",
            "client-key-data",
            "api_key",
            "METALLB_ML_SECRET_KEY",
            "secretkey",
            "keys",
            "Authorization",
            "clientSecret",
            "spec.password",
            "tls.key",
        ] {
            assert!(is_sensitive(secret), "{secret}");
        }
        for harmless in [
            "passwordSecret",
            "secretName",
            "secretKeyRef",
            "imagePullSecrets",
            "tokenPath",
            "password_file",
            "name",
            "tokenExpirationSeconds",
            "ml-secret-key-path",
            "gossip-key-file",
            "key",
            "tokenType",
            "endpoints",
        ] {
            assert!(!is_sensitive(harmless), "{harmless}");
        }
    }
}
