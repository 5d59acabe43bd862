//! RFC 7606 and what newer documents say of their attributes: one case a clause.

use ferrolb_bgp::wire::{Disposition, Flaw};

use crate::support::{attribute, internal, one_update, update};

#[test]
fn an_origin_that_does_not_exist_withdraws_the_routes() {
    let attributes = [
        attribute(0x40, 1, &[3]),
        attribute(0x40, 2, &[]),
        attribute(0x40, 3, &[192, 0, 2, 1]),
        attribute(0x40, 5, &[0, 0, 0, 100]),
    ];
    let bytes = update(&[], &attributes.concat(), &[8, 10]);
    let parameters = internal();
    let update = one_update(&bytes, &parameters);
    assert_eq!(update.errors()[0].flaw, Flaw::Origin(3));
    assert_eq!(update.errors()[0].disposition, Disposition::TreatAsWithdraw);
    assert_eq!(update.withdrawn().count(), 1);
    assert_eq!(update.announced().count(), 0);
}
