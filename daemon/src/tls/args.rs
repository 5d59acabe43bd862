//! The flags that say which TLS is spoken, with the names that Go gives to suites and curves.

use std::sync::{Arc, Once};

use clap::{ArgAction, Args, ValueEnum};
use rustls::crypto::ring::{self, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::server::NoServerSessionStorage;
use rustls::{ServerConfig, SupportedCipherSuite};
use thiserror::Error;
use tokio::sync::watch;

use crate::tls::identity::{Current, Identity};

static WARNED: Once = Once::new();

/// The oldest version that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum TlsVersion {
    /// TLS 1.2 and 1.3.
    #[value(name = "VersionTLS12")]
    Tls12,
    /// TLS 1.3 only.
    #[default]
    #[value(name = "VersionTLS13", alias = "")]
    Tls13,
}

/// Flags that say which TLS is spoken.
#[derive(Debug, Clone, Default, Args)]
pub struct TlsArgs {
    /// Oldest version of TLS that servers speak.
    #[arg(long, value_enum, ignore_case = true, value_name = "VERSION", default_value = "VersionTLS13")]
    pub tls_min_version: TlsVersion,
    /// Cipher suites of TLS 1.2, by Go's names, separated by commas [default: every one that is known].
    #[arg(long, action = ArgAction::Set, value_delimiter = ',', value_name = "SUITES", default_value = "", hide_default_value = true)]
    pub tls_cipher_suites: Vec<String>,
    /// Curves for the key exchange by number, the preferred first, separated by commas: 23 P-256, 24 P-384, 29 X25519;
    /// others that Go has are left out [default: 29,23,24].
    #[arg(long, action = ArgAction::Set, value_delimiter = ',', value_name = "CURVES", default_value = "", hide_default_value = true)]
    pub tls_curve_preferences: Vec<String>,
}

/// Flags that cannot be followed.
#[derive(Debug, Error)]
pub enum TlsError {
    /// Suites of TLS 1.3 cannot be chosen.
    #[error(
        "--tls-cipher-suites has no effect with TLS 1.3: remove it, or say --tls-min-version VersionTLS12 to serve \
         TLS 1.2 as well"
    )]
    SuitesOfTls13,
    /// Unknown, or left out for being unsafe.
    #[error("--tls-cipher-suites: {name:?} is not available; available are {}", available_suites())]
    Suite {
        /// As written.
        name: String,
    },
    /// No number of a curve.
    #[error(
        "--tls-curve-preferences: {name:?} is no known curve; available are 23 (P-256), 24 (P-384) and 29 (X25519)"
    )]
    Curve {
        /// As written.
        name: String,
    },
    /// The library refuses the combination.
    #[error("this combination of --tls-* flags cannot be served")]
    Config(#[source] rustls::Error),
}

// === impl TlsArgs ===

impl TlsArgs {
    /// What a server needs to speak TLS with the certificate that `identity` shows at each handshake.
    ///
    /// # Errors
    /// A flag names something that is not available, or suites for TLS 1.3.
    pub fn server_config(&self, identity: watch::Receiver<Option<Identity>>) -> Result<Arc<ServerConfig>, TlsError> {
        let versions: &[_] = match self.tls_min_version {
            TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersion::Tls13 => &[&rustls::version::TLS13],
        };
        let mut provider = ring::default_provider();
        self.choose_suites(&mut provider)?;
        self.choose_curves(&mut provider)?;
        let builder = ServerConfig::builder_with_provider(Arc::new(provider));
        let builder = builder.with_protocol_versions(versions).map_err(TlsError::Config)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(Current(identity)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session shows no certificate, so an exchanged one would not be seen.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    fn choose_suites(&self, provider: &mut CryptoProvider) -> Result<(), TlsError> {
        let names: Vec<&str> = given(&self.tls_cipher_suites).collect();
        if names.is_empty() {
            return Ok(());
        }
        if self.tls_min_version == TlsVersion::Tls13 {
            return Err(TlsError::SuitesOfTls13);
        }
        for name in &names {
            if !provider.cipher_suites.iter().any(|suite| is_named(*suite, name)) {
                return Err(TlsError::Suite { name: (*name).to_owned() });
            }
        }
        // As in Go, those of TLS 1.3 are always on.
        provider
            .cipher_suites
            .retain(|suite| suite.tls13().is_some() || names.iter().any(|name| is_named(*suite, name)));
        Ok(())
    }

    /// Those that are not available here are left out; where nothing is left, the defaults stay.
    fn choose_curves(&self, provider: &mut CryptoProvider) -> Result<(), TlsError> {
        let curves = given(&self.tls_curve_preferences).map(curve).collect::<Result<Vec<_>, _>>()?;
        let left_out: Vec<&str> = curves.iter().filter_map(|curve| curve.err()).collect();
        let groups: Vec<_> = curves.into_iter().filter_map(Result::ok).collect();
        if !groups.is_empty() {
            provider.kx_groups = groups;
        }
        if !left_out.is_empty() {
            let used: Vec<_> = provider.kx_groups.iter().map(|group| format!("{:?}", group.name())).collect();
            let (left_out, used) = (left_out.join(", "), used.join(", "));
            // Webhooks and metrics are served with the same flags; once is enough.
            WARNED.call_once(|| tracing::warn!(left_out, used, "--tls-curve-preferences: not all are available"));
        }
        Ok(())
    }
}

fn given(list: &[String]) -> impl Iterator<Item = &str> {
    list.iter().map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// Go leaves the hash out of a name in one place, and the version out of those of TLS 1.3.
fn is_named(suite: SupportedCipherSuite, name: &str) -> bool {
    let known = go_name(suite);
    known == name || known.strip_suffix("_SHA256").is_some_and(|short| short.ends_with("POLY1305") && short == name)
}

fn go_name(suite: SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
}

fn available_suites() -> String {
    let suites = ring::ALL_CIPHER_SUITES.iter().filter(|suite| suite.tls13().is_none());
    suites.map(|suite| go_name(*suite)).collect::<Vec<_>>().join(", ")
}

/// The curve of a number; `Err` within: its name, where it is one of Go's that is not available here.
fn curve(text: &str) -> Result<Result<&'static dyn SupportedKxGroup, &'static str>, TlsError> {
    Ok(match text.parse::<u16>() {
        Ok(23) => Ok(kx_group::SECP256R1),
        Ok(24) => Ok(kx_group::SECP384R1),
        Ok(29) => Ok(kx_group::X25519),
        Ok(25) => Err("P-521"),
        Ok(4587) => Err("SecP256r1MLKEM768"),
        Ok(4588) => Err("X25519MLKEM768"),
        Ok(4589) => Err("SecP384r1MLKEM1024"),
        Ok(_) | Err(_) => return Err(TlsError::Curve { name: text.to_owned() }),
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        tls: TlsArgs,
    }

    fn config(flags: &[&str]) -> Result<Arc<ServerConfig>, TlsError> {
        let cli = Cli::try_parse_from([&["test"], flags].concat()).unwrap();
        cli.tls.server_config(watch::channel(None).1)
    }

    fn suites(config: &ServerConfig) -> Vec<String> {
        config.crypto_provider().cipher_suites.iter().map(|suite| go_name(*suite)).collect()
    }

    #[test]
    fn flags_left_empty_mean_the_defaults() {
        let said = config(&["--tls-min-version=", "--tls-cipher-suites=", "--tls-curve-preferences="]).unwrap();
        let unsaid = config(&[]).unwrap();
        assert_eq!(suites(&said), suites(&unsaid));
        assert_eq!(said.crypto_provider().kx_groups.len(), 3);
    }

    #[test]
    fn suites_of_tls12_are_chosen_and_those_of_tls13_stay() {
        let names = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305";
        let config = config(&["--tls-min-version", "VersionTLS12", "--tls-cipher-suites", names]).unwrap();
        let expected = [
            "TLS_AES_256_GCM_SHA384",
            "TLS_AES_128_GCM_SHA256",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        ];
        assert_eq!(suites(&config), expected);
    }

    #[test]
    fn suites_are_refused_with_tls13() {
        let error = config(&["--tls-cipher-suites", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]).unwrap_err();
        assert!(matches!(error, TlsError::SuitesOfTls13), "{error}");
    }

    #[test]
    fn an_unknown_suite_is_refused_by_name() {
        let flags = ["--tls-min-version", "VersionTLS12", "--tls-cipher-suites", "TLS_RSA_WITH_RC4_128_SHA"];
        let error = config(&flags).unwrap_err().to_string();
        assert!(error.contains("TLS_RSA_WITH_RC4_128_SHA"), "{error}");
        assert!(error.contains("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"), "{error}");
    }

    fn curves(text: &str) -> Vec<u16> {
        let config = config(&["--tls-curve-preferences", text]).unwrap();
        config.crypto_provider().kx_groups.iter().map(|group| u16::from(group.name())).collect()
    }

    #[test]
    fn curves_come_in_the_order_given() {
        assert_eq!(curves("24, 29"), [24, 29]);
    }

    #[test]
    fn curves_of_go_that_are_not_available_are_left_out() {
        assert_eq!(curves("4588,29,25,23,4587"), [29, 23]);
        for alone in ["25", "4587", "4588", "4589", "4588,25"] {
            assert_eq!(curves(alone), [29, 23, 24], "{alone}: some curve has to be there");
        }
    }

    #[test]
    fn what_is_no_curve_is_refused() {
        for text in ["7", "X25519", "29,-1", "65536"] {
            let error = config(&["--tls-curve-preferences", text]).unwrap_err().to_string();
            assert!(error.contains(text.strip_prefix("29,").unwrap_or(text)), "{error}");
        }
    }

    #[test]
    fn of_a_flag_that_is_repeated_the_last_counts() {
        let cli = Cli::command().args_override_self(true);
        let matches = cli.get_matches_from(["test", "--tls-curve-preferences=23", "--tls-curve-preferences=24,29"]);
        assert_eq!(Cli::from_arg_matches(&matches).unwrap().tls.tls_curve_preferences, ["24", "29"]);
    }

    #[test]
    fn a_version_that_is_too_old_is_no_version() {
        assert!(Cli::try_parse_from(["test", "--tls-min-version", "VersionTLS11"]).is_err());
    }
}
