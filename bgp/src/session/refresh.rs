//! ROUTE-REFRESH in both directions (RFC 2918, RFC 7313).

use super::{ConnectionId, Message, Output, Peer, Refresh};
use crate::wire::{Family, RefreshKind, RouteRefresh};

// === impl Peer ===

impl Peer {
    /// The peer's message goes to the RIB, if it means something here.
    pub(super) fn asked_refresh(&mut self, id: ConnectionId, message: RouteRefresh) {
        let Some((connection, session)) = self.established() else { return };
        // RFC 2918 section 4: a family that was not agreed on is ignored.
        let Some(family) = message.family.known().filter(|family| *session.parameters.families.get(*family)) else {
            return;
        };
        let refresh = match message.kind {
            RefreshKind::Request => Refresh::Asked,
            RefreshKind::Begin if session.enhanced_refresh => Refresh::Begins,
            RefreshKind::End if session.enhanced_refresh => Refresh::Ends,
            // RFC 7313 section 5.
            RefreshKind::Begin | RefreshKind::End | RefreshKind::Unknown(_) => return,
        };
        if connection == id {
            self.output(Output::Refresh { family, refresh });
        }
    }

    /// Asks the peer for its routes.
    pub(super) fn ask_refresh(&mut self, family: Family) {
        let Some((id, session)) = self.established() else { return };
        if session.route_refresh && *session.parameters.families.get(family) {
            let kind = RefreshKind::Request;
            self.send(id, Message::RouteRefresh(RouteRefresh { family: family.raw(), kind }));
        }
    }
}
