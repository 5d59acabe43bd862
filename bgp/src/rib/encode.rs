//! One message at a time, as long as the session allows.

use bytes::BytesMut;
use ipnet::IpNet;

use super::export::Export;
use crate::wire::{Family, Packer, RefreshKind, RouteRefresh, Template, encode_end_of_rib};

/// Writes as many prefixes as one message takes; returns how many.
pub(super) fn announce(
    out: &mut BytesMut,
    export: &Export,
    template: &Template,
    prefixes: impl Iterator<Item = IpNet>,
) -> usize {
    let family = template.family();
    fill(Packer::announce(template, &export.parameters, out), export, family, prefixes)
}

/// Withdraws as many prefixes as one message takes; returns how many.
pub(super) fn withdraw(
    out: &mut BytesMut,
    export: &Export,
    family: Family,
    prefixes: impl Iterator<Item = IpNet>,
) -> usize {
    fill(Packer::withdraw(family, &export.parameters, out), export, family, prefixes)
}

pub(super) fn end_of_rib(out: &mut BytesMut, family: Family) {
    encode_end_of_rib(family, out);
}

/// A marker of enhanced route refresh.
pub(super) fn refresh(out: &mut BytesMut, family: Family, kind: RefreshKind) {
    RouteRefresh { family: family.raw(), kind }.encode(out);
}

fn fill(mut packer: Packer<'_>, export: &Export, family: Family, prefixes: impl Iterator<Item = IpNet>) -> usize {
    let path_id = export.path_id(family);
    let mut count = 0_usize;
    for prefix in prefixes {
        if count > 0 && !packer.fits(&prefix) {
            break;
        }
        packer.push(&prefix, path_id);
        count = count.saturating_add(1);
    }
    packer.finish();
    count
}
