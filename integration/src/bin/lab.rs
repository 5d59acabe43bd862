//! `lab`: nodes, a client and a gateway as network namespaces, with real ferrolb processes in them.
use std::process::ExitCode;

fn main() -> ExitCode {
    ferrolb_integration::cli::main()
}
