//! What the tests share.

use bytes::BytesMut;
use ferrolb_bgp::wire::{Attributes, Message, NextHop, Notification, Parameters, PerFamily, Update, decode};
use ipnet::IpNet;

/// A prefix with its path identifier.
pub(crate) type Path = (IpNet, u32);

/// An external session that carries both families and four-octet AS numbers.
pub(crate) fn parameters() -> Parameters {
    Parameters { four_octet_as: true, families: PerFamily { ipv4: true, ipv6: true }, ..Parameters::default() }
}

/// The same within an AS.
pub(crate) fn internal() -> Parameters {
    Parameters { external: false, ..parameters() }
}

pub(crate) fn next_hop(address: &str) -> NextHop {
    NextHop::Address(address.parse().unwrap())
}

pub(crate) fn prefix(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// A message with the header of its type.
pub(crate) fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xff; 16];
    bytes.extend(u16::try_from(19 + body.len()).unwrap().to_be_bytes());
    bytes.push(kind);
    bytes.extend(body);
    bytes
}

/// An UPDATE of its three fields.
pub(crate) fn update(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for field in [withdrawn, attributes] {
        body.extend(u16::try_from(field.len()).unwrap().to_be_bytes());
        body.extend(field);
    }
    body.extend(nlri);
    framed(2, &body)
}

/// An attribute whose length has one octet.
pub(crate) fn attribute(flags: u8, code: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![flags, code, u8::try_from(value.len()).unwrap()];
    bytes.extend(value);
    bytes
}

/// Every message in the bytes, each of which must be whole.
pub(crate) fn messages<'a>(mut bytes: &'a [u8], parameters: &Parameters) -> Vec<Message<'a>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (message, length) = decode(bytes, parameters).unwrap().expect("a whole message");
        all.push(message);
        bytes = &bytes[length..];
    }
    all
}

pub(crate) fn one<'a>(bytes: &'a [u8], parameters: &Parameters) -> Message<'a> {
    let mut all = messages(bytes, parameters);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

pub(crate) fn one_update<'a>(bytes: &'a [u8], parameters: &Parameters) -> Update<'a> {
    let message = one(bytes, parameters);
    let Message::Update(update) = message else { panic!("not an UPDATE: {message:?}") };
    update
}

pub(crate) fn refused(bytes: &[u8], parameters: &Parameters) -> Notification {
    decode(bytes, parameters).map(drop).expect_err("it is to be refused")
}

/// What UPDATEs announce, with the attributes, and what they withdraw, in order.
pub(crate) fn routes(bytes: &[u8], parameters: &Parameters) -> (Vec<(Path, Attributes)>, Vec<Path>) {
    let (mut announced, mut withdrawn) = (Vec::new(), Vec::new());
    for message in messages(bytes, parameters) {
        let Message::Update(update) = message else { panic!("not an UPDATE: {message:?}") };
        assert_eq!(update.errors(), []);
        withdrawn.extend(update.withdrawn());
        for section in update.announced() {
            let attributes = update.attributes(section.next_hop);
            announced.extend(section.prefixes.map(|path| (path, attributes.clone())));
        }
    }
    (announced, withdrawn)
}

/// What `write` writes.
pub(crate) fn written(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out);
    out.to_vec()
}
