//! The asking side of the control socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::error::{Error, system};
use crate::holder::control_address;
use crate::protocol::{Reply, Request};

/// The longest wish is the orderly end of a speaker; a lab that takes longer than this hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// Asks the lab called `name`.
///
/// # Errors
/// [`Error::NotUp`] when there is none, [`Error::Refused`] when it says no.
pub(crate) fn ask(name: &str, request: &Request) -> Result<Reply, Error> {
    let address = control_address(name).map_err(system("name the control socket"))?;
    let mut stream = UnixStream::connect_addr(&address).map_err(|_refused| Error::NotUp { name: name.to_owned() })?;
    let failed = || system::<std::io::Error>(format!("talk to the lab {name}"));
    stream.set_read_timeout(Some(DEADLINE)).map_err(failed())?;
    let line = serde_json::to_string(request)? + "\n";
    stream.write_all(line.as_bytes()).map_err(failed())?;
    let mut reply = String::new();
    let count = BufReader::new(stream).read_line(&mut reply).map_err(failed())?;
    if count == 0 {
        return Err(Error::Ended { reason: format!("{name} went away before it answered") });
    }
    let reply = serde_json::from_str(&reply)?;
    if let Reply::Refused { reason } = reply { Err(Error::Refused { reason }) } else { Ok(reply) }
}
