//! Arguments made for MetalLB's controller.

use clap::Parser;
use ferrolb_controller::run::ControllerArgs;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    args: ControllerArgs,
}

#[test]
fn arguments_of_a_patched_manifest_of_metallb_are_understood() {
    let words = "controller --port=7472 --log-level=info --tls-min-version=VersionTLS12 --webhook-mode=enabled \
                 -port=7473 -lb-class mine --log-level=debug -disable-cert-rotation -cert-service-name=hooks \
                 -webhook-http2=false -tls-curve-preferences=4588,29 --webhook-mode disabled";
    let args = ferrolb_daemon::flags::try_parse::<Cli>(words.split_whitespace()).unwrap().args;
    assert_eq!((args.daemon.port, args.lb_class.as_str()), (7473, "mine"));
    assert_eq!(args.daemon.log_level, ferrolb_daemon::LogLevel::Debug);
    assert!(args.webhook.disable_cert_rotation && !args.webhook.webhook_http2);
    assert_eq!(args.webhook.cert_service_name, "hooks");
    assert_eq!(args.webhook.webhook_mode, ferrolb_controller::webhook::WebhookMode::Disabled);
}
