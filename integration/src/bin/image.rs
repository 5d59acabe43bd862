//! `image`: builds static programs and writes them as a container image, without a container engine.

use std::process::ExitCode;

fn main() -> ExitCode {
    ferrolb_integration::image::main()
}
