//! What happened so far, in numbers.

/// Counts since the start of the machine. They only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that were handed over to be sent.
    pub sent: u64,
    /// Bytes of those datagrams, without IP and UDP headers.
    pub sent_bytes: u64,
    /// Datagrams that were opened and belonged to a known session.
    pub received: u64,
    /// Bytes of those datagrams, without IP and UDP headers.
    pub received_bytes: u64,
    /// Dropped: too short, too long or of another envelope version.
    pub malformed: u64,
    /// Dropped: sealed with another key or by another cluster (no key of the ring has this key id).
    pub foreign_key: u64,
    /// Opened with a key of the ring that is not the first: somebody still seals with an old key, or already with a new
    /// one. While this rises, no key may be removed.
    pub other_key: u64,
    /// Dropped: authentication failed. The datagram was forged or damaged, or it was sealed for another destination
    /// than our advertised address, as happens with address translation between the nodes.
    pub forged: u64,
    /// Dropped: this datagram was received before, or is older than the window of its session.
    pub replayed: u64,
    /// Dropped: authentic, but of a session whose freshness is not proven yet; the sender was challenged.
    pub unknown_session: u64,
    /// Dropped: our own datagram came back.
    pub reflected: u64,
    /// Ignored: authentic messages of a kind that this version does not know.
    pub unknown_kind: u64,
    /// Ignored: authentic messages whose content could not be read, or that SWIM refused.
    pub unreadable: u64,
    /// Not sent: larger than a datagram may be. Always 0 unless something is wrong.
    pub unsendable: u64,
    /// Datagrams that the socket refused to send. Counted by the driver.
    pub send_errors: u64,
    /// Errors of the socket while receiving. Counted by the driver.
    pub receive_errors: u64,
    /// Challenges sent to sessions that were unknown.
    pub challenges: u64,
    /// Sessions of other nodes that were admitted.
    pub sessions: u64,
    /// Checks of the watched member because its beat did not come in time.
    pub checks: u64,
    /// Such checks that nobody answered, each of which starts a suspicion.
    pub checks_failed: u64,
    /// Own probes that failed, each of which starts a suspicion.
    pub probes_failed: u64,
    /// Suspicions against this node that it refuted.
    pub suspicions_refuted: u64,
    /// Timers of suspicions that had been refuted in time; SWIM never saw them.
    pub stale_suspicions: u64,
    /// Members that were declared down, by this node or by others, leaving included.
    pub members_down: u64,
    /// Members that restarted before anybody noticed that they were gone.
    pub members_restarted: u64,
    /// How often this node was declared down and joined again.
    pub rejoins: u64,
    /// How often this node voided its claims because it stalled, or came back from the smaller part of a partition.
    pub fresh_starts: u64,
    /// Transfers of a member's whole state that were completed.
    pub states_received: u64,
    /// Transfers of a member's whole state that were given up.
    pub states_abandoned: u64,
    /// Conflicts about an address that a claim of this node won.
    pub conflicts_won: u64,
    /// Conflicts about an address, and planned moves, in which this node's claim was replaced by another node's.
    pub conflicts_lost: u64,
    /// Claims that were not stored because the table is full.
    pub claims_refused: u64,
    /// Facts that were not stored because too many nodes told theirs.
    pub facts_refused: u64,
    /// Claims without a living owner that were forgotten.
    pub claims_forgotten: u64,
}
